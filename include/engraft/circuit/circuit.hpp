#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/random.hpp>
#include <engraft/intervene/where.hpp>

namespace engraft {

/// Heads that act alike at one position role, such as the paper's "value fetchers" at `last`.
struct circuit_group {
    std::string name;
    std::string role;
    std::vector<node> heads;

    /// The group's heads at the role's position of each example.
    auto at(engraft::role r) const { return nodes(heads).at(std::move(r)); }

    friend bool operator==(circuit_group const&, circuit_group const&) = default;
};

/// A set of (head, position role) nodes in named groups.
/// source Prakash et al. 2024, section 4
struct circuit {
    std::vector<circuit_group> groups;

    /// throws bad_input when there is no such group
    circuit_group const& operator[](std::string_view name) const {
        std::string known;
        for (auto const& g : groups) {
            if (g.name == name)
                return g;
            known += (known.empty() ? "" : ", ") + g.name;
        }
        throw bad_input({"the circuit has no group `", name, "`; its groups are ", known});
    }

    friend bool operator==(circuit const&, circuit const&) = default;
};

/// A group of as many heads, drawn at random from all heads of the model: the baseline of a comparison.
template <description D>
circuit_group random_like(circuit_group const& group, random& r) {
    circuit_group drawn{"random", group.role, {}};
    for (auto i : r.sample(static_cast<std::size_t>(D.layers * D.heads), group.heads.size()))
        drawn.heads.push_back({static_cast<int>(i) / D.heads, static_cast<int>(i) % D.heads});
    return drawn;
}

} // namespace engraft
