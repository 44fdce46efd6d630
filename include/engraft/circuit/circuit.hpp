#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
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

    /// The group of that name, or nullptr.
    circuit_group const* find(std::string_view name) const {
        auto const at = std::ranges::find(groups, name, &circuit_group::name);
        return at == groups.end() ? nullptr : &*at;
    }

    /// throws bad_input when there is no such group
    circuit_group const& operator[](std::string_view name) const {
        if (auto const* group = find(name))
            return *group;
        std::string known;
        for (auto const& g : groups)
            known += (known.empty() ? "" : ", ") + g.name;
        throw bad_input({"the circuit has no group `", name, "`; its groups are ", known});
    }

    friend bool operator==(circuit const&, circuit const&) = default;
};

/// The heads of `first` that are also in `second`, in the order of `first`.
std::vector<node> heads_in(std::span<node const> first, std::span<node const> second);

/// The heads of `first` that are not in `second`, in the order of `first`.
std::vector<node> heads_not_in(std::span<node const> first, std::span<node const> second);

namespace detail {

/// The group of that name in another circuit, where it must act at the same role.
circuit_group const* counterpart(circuit_group const& group, circuit const& other);

} // namespace detail

/// The nodes of either circuit, group by group: those of `a`, then what `b` adds. throws bad_input when a group acts at
/// another role in `b`; so do & and -
circuit operator|(circuit const& a, circuit const& b);

/// The nodes of both circuits, in the groups that both have; a group may come out empty.
circuit operator&(circuit const& a, circuit const& b);

/// The nodes of `a` that are not in `b`, in the groups of `a`; a group may come out empty.
circuit operator-(circuit const& a, circuit const& b);

/// A group of as many heads, drawn at random from all heads of the model: the baseline of a comparison.
template <description const& D>
circuit_group random_like(circuit_group const& group, random& r) {
    circuit_group drawn{"random", group.role, {}};
    for (auto i : r.sample(static_cast<std::size_t>(D.layers * D.heads), group.heads.size()))
        drawn.heads.push_back({static_cast<int>(i) / D.heads, static_cast<int>(i) % D.heads});
    return drawn;
}

/// A circuit with the same groups, roles and numbers of heads, drawn at random from layers x heads. The groups of one
/// role are drawn together, so that no node comes twice. throws bad_input when a role has more heads than the model
/// source Prakash et al. 2024, section 4.3, "random circuits"
circuit random_like(circuit const& c, int layers, int heads, random& r);

template <description const& D>
circuit random_like(circuit const& c, random& r) {
    return random_like(c, D.layers, D.heads, r);
}

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/circuit.ipp>
#endif
