#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/intervene/where.hpp>
#include <engraft/run/batch.hpp>

namespace engraft {

/// Triples (original prompt, alternate prompt, target token) that test one hypothesis about what activations carry:
/// where they do, the original run with their values of the alternate run in it gives the target.
/// source Davies et al. 2023, section 3; Prakash et al. 2024, section 5.1
struct desideratum {
    std::string name;
    batch original, alternate;        ///< example i of the one belongs to example i of the other
    std::vector<token> targets;       ///< one per example
    std::vector<engraft::role> roles; ///< positions in the originals, source_positions in the alternates

    std::size_t examples() const { return original.examples(); }

    /// The role of that name. throws bad_input when there is none
    engraft::role const& role(std::string_view of) const {
        std::string known;
        for (auto const& r : roles) {
            if (r.name == of)
                return r;
            known += (known.empty() ? "" : ", ") + r.name;
        }
        throw bad_input({"the desideratum `", name, "` has no role `", of, "`; its roles are ", known});
    }

    /// `count` examples from `first` on, with their own positions and targets. throws bad_input when it has fewer
    desideratum part(std::size_t first, std::size_t count) const {
        require_complete();
        if (first > examples() || count > examples() - first)
            throw bad_input({"the desideratum `", name, "` has ", examples(), " examples; ", count, " from number ",
                             first, " on are more than that"});
        auto const of = [&](auto const& list) {
            auto const begin = list.begin() + static_cast<std::ptrdiff_t>(list.empty() ? 0 : first);
            return std::vector(begin, list.empty() ? begin : begin + static_cast<std::ptrdiff_t>(count));
        };
        std::vector<engraft::role> some;
        for (auto const& r : roles)
            some.push_back({r.name, of(r.positions), of(r.source_positions)});
        return {name, original.part(first, count), alternate.part(first, count), of(targets), std::move(some)};
    }

    /// throws bad_input when the numbers of originals, alternates, targets and positions differ, or when a role without
    /// places in the alternates counts from the beginning of prompts of unequal length
    void require_complete() const {
        auto const require = [&](std::size_t count, std::string_view of) {
            if (count != examples())
                throw bad_input({"the desideratum `", name, "` has ", examples(), " originals and ", count, " ", of,
                                 "; each original needs one"});
        };
        require(alternate.examples(), "alternates");
        require(targets.size(), "targets");
        for (auto const& r : roles) {
            require(r.positions.size(), "positions of `" + r.name + "`");
            if (!r.source_positions.empty())
                require(r.source_positions.size(), "positions of `" + r.name + "` in alternates");
            else
                require_same_places(r);
        }
    }

private:
    /// A role without places in the alternates stands where it does in the originals.
    void require_same_places(engraft::role const& r) const {
        for (std::size_t x = 0; x < examples(); ++x)
            if (auto const here = original.rows().length(x), there = alternate.rows().length(x);
                r.positions[x] >= 0 && here != there)
                throw bad_input({"engraft [source.length]: original ", x, " of the desideratum `", name, "` has ", here,
                                 " positions and its alternate ", there, ", so position ", r.positions[x],
                                 " of the role `", r.name,
                                 "` is not the same place in both; give the role's positions in the alternates "
                                 "as its source_positions, or count from the end"});
    }
};

} // namespace engraft
