#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <engraft/core/hash.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

/// What is done to one row at one site.
struct site_effect {
    bool touched = false; ///< something is done to it
    bool written = false; ///< some of it may change
    bool freely = false;  ///< by more than blocking attention: what was hidden may be seen
    bool held = false;    ///< all of it is at the clean value, whatever comes before
    bool covered = false; ///< its value is replaced or held whole, whatever comes before
};

/// What is known of a policy beside where it acts and how.
struct policy_details {
    std::uint64_t values = 0;        ///< a hash of its own, such as a factor
    std::size_t slices_per_head = 1; ///< of each row, at most
};

/// What a policy with its values does where: all that the plan knows of it. Made by `footprint_of`.
class footprint {
    static constexpr std::size_t most_heads = 256; ///< of sites with more, nothing is ever known to be covered
    using head_set = std::bitset<most_heads>;

public:
    /// replaces: the new value does not depend on the old one. What is held without that, as under a condition, may
    /// still differ from the clean value.
    void add(int site, touch how, bool replaces, int heads, selection chosen, policy_details more = {}) {
        if (how != touch::reads)
            records_.push_back({site, how, replaces, static_cast<std::size_t>(heads), std::move(chosen), more});
    }

    /// Where, how, and the policies' own values; not the values that are taken from runs.
    void add_to(hasher& h) const;

    /// Of memory, of all places and heads that are listed.
    std::size_t bytes() const;

    /// Appends where one example is touched: those with the same positions are touched alike.
    void add_positions(std::size_t example, std::vector<std::uint32_t>& to) const {
        for (auto const& r : records_)
            r.chosen.add_positions(example, to);
    }

    /// Slices of an example at rows that are there: there(site, layer, position).
    template <class There>
    std::size_t slices(std::size_t example, There const& there) const {
        std::size_t sum = 0;
        for (auto const& r : records_)
            r.chosen.each_place(example, [&](selection::place const& at) {
                for (std::size_t l = 0; l < r.chosen.heads.size(); ++l)
                    if (!r.chosen.heads[l].empty() && there(r.site, l, at.position))
                        sum += r.more.slices_per_head * r.chosen.count_heads(l, at);
            });
        return sum;
    }

    /// What is done to the rows of one example, from the first position that anything is written to; where rows are
    /// also seen by those before them, of all rows.
    class of_example {
    public:
        void set(footprint const& all, std::size_t layers, std::size_t example, std::size_t length, bool seen_before) {
            first_ = length;
            for (auto const& r : all.records_)
                if (r.how != touch::holds)
                    r.each_row(example, [&](std::size_t, std::size_t position, head_set const&) {
                        first_ = std::min(first_, position);
                    });
            if (seen_before && first_ < length)
                first_ = 0;
            positions_ = length - first_;
            for (auto& cells : cells_)
                cells.clear();
            for (auto const& r : all.records_)
                add(r, layers, example);
            for (auto& cells : cells_)
                for (auto& c : cells) {
                    c.effect.covered = c.effect.covered || (c.heads > 0 && c.covered.count() >= c.heads);
                    c.effect.held = !c.effect.written && c.heads > 0 && c.held.count() >= c.heads;
                }
        }

        /// The first position that anything is written to; the example's length when there is none.
        std::size_t first() const { return first_; }

        /// Of a position from the first on.
        site_effect at(int site, int layer, std::size_t position) const {
            auto const& cells = cells_[static_cast<std::size_t>(site)];
            return cells.empty() ? site_effect{}
                                 : cells[static_cast<std::size_t>(layer) * positions_ + position - first_].effect;
        }

    private:
        struct cell {
            site_effect effect;
            std::size_t heads = 0;
            head_set held, covered;
        };

        void add(auto const& record, std::size_t layers, std::size_t example) {
            auto& cells = cells_[static_cast<std::size_t>(record.site)];
            record.each_row(example, [&](std::size_t layer, std::size_t position, head_set const& heads) {
                if (position < first_)
                    return; // held there, where nothing differs
                cells.resize(layers * positions_);
                auto& c = cells[layer * positions_ + position - first_];
                c.heads = record.heads;
                c.effect.touched = true;
                if (record.how != touch::holds) {
                    c.effect.written = true;
                    c.effect.freely = c.effect.freely || record.how != touch::blocks;
                } else if (record.replaces) {
                    c.held |= heads;
                }
                if (record.replaces && record.heads <= most_heads)
                    c.covered |= heads;
            });
        }

        std::size_t first_ = 0, positions_ = 0;
        std::array<std::vector<cell>, static_cast<std::size_t>(known_sites::size)>
            cells_; ///< [layer][position - first]
    };

private:
    struct record {
        int site;
        touch how;
        bool replaces;
        std::size_t heads; ///< of the site
        selection chosen;
        policy_details more;

        /// f(layer, position, heads) for the rows of one example that have any heads.
        template <class F>
        void each_row(std::size_t example, F const& f) const {
            for (std::size_t l = 0; l < chosen.heads.size(); ++l) {
                if (chosen.heads[l].empty())
                    continue;
                head_set all;
                for (auto head : chosen.heads[l])
                    all.set(head % most_heads);
                chosen.each_place(example, [&](selection::place const& at) {
                    if (chosen.count_heads(l, at) == chosen.heads[l].size()) {
                        f(l, at.position, all);
                        return;
                    }
                    head_set some;
                    chosen.each_head(l, at, [&](std::size_t head) { some.set(head % most_heads); });
                    if (some.any())
                        f(l, at.position, some);
                });
            }
        }
    };
    std::vector<record> records_;
};

namespace detail {
struct without_footprint {
    void leave_footprint();
};
/// If P has a member of that name, too, the name alone means nothing here.
template <class P>
struct named_twice : P, without_footprint {};
} // namespace detail

/// Whether a policy says where it acts. (By the member's name: nvcc's compiler knows no constrained call of a template
/// whose argument is a reference.)
template <class P>
inline constexpr bool has_footprint = !requires {
    &detail::named_twice<P>::leave_footprint;
};

/// What a policy of a described model does to a batch's rows. throws as `resolve`
template <description const& D, class Policy>
footprint footprint_of(Policy const& policy, ragged const& rows) {
    footprint all;
    policy.template leave_footprint<D>(all, rows, Policy::may_not_fire);
    return all;
}

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/intervene/source/footprint.ipp>
#endif
