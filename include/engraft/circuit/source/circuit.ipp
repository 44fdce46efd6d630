#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/random.hpp>
#include <engraft/intervene/where.hpp>

namespace engraft {

ENGRAFT_BODY std::vector<node> heads_in(std::span<node const> first, std::span<node const> second) {
    std::set<node> const known(second.begin(), second.end());
    std::vector<node> kept;
    std::ranges::copy_if(first, std::back_inserter(kept), [&](node n) { return known.contains(n); });
    return kept;
}

ENGRAFT_BODY std::vector<node> heads_not_in(std::span<node const> first, std::span<node const> second) {
    std::set<node> const known(second.begin(), second.end());
    std::vector<node> kept;
    std::ranges::copy_if(first, std::back_inserter(kept), [&](node n) { return !known.contains(n); });
    return kept;
}

} // namespace engraft

namespace engraft::detail {

ENGRAFT_BODY circuit_group const* counterpart(circuit_group const& group, circuit const& other) {
    auto const* found = other.find(group.name);
    if (found && found->role != group.role)
        throw bad_input({"the group `", group.name, "` acts at `", group.role, "` in one circuit and at `", found->role,
                         "` in the other; such groups have no nodes in common to speak of"});
    return found;
}

} // namespace engraft::detail

namespace engraft {

ENGRAFT_BODY circuit operator|(circuit const& a, circuit const& b) {
    circuit sum = a;
    for (auto& group : sum.groups)
        if (auto const* other = detail::counterpart(group, b)) {
            auto const added = heads_not_in(other->heads, group.heads);
            group.heads.insert(group.heads.end(), added.begin(), added.end());
        }
    for (auto const& group : b.groups)
        if (!a.find(group.name))
            sum.groups.push_back(group);
    return sum;
}

ENGRAFT_BODY circuit operator&(circuit const& a, circuit const& b) {
    circuit common;
    for (auto const& group : a.groups)
        if (auto const* other = detail::counterpart(group, b))
            common.groups.push_back({group.name, group.role, heads_in(group.heads, other->heads)});
    return common;
}

ENGRAFT_BODY circuit operator-(circuit const& a, circuit const& b) {
    circuit rest = a;
    for (auto& group : rest.groups)
        if (auto const* other = detail::counterpart(group, b))
            group.heads = heads_not_in(group.heads, other->heads);
    return rest;
}

ENGRAFT_BODY circuit random_like(circuit const& c, int layers, int heads, random& r) {
    if (layers < 1 || heads < 1)
        throw bad_input({"random circuits need layers and heads, not ", layers, " x ", heads});
    circuit drawn = c;
    std::set<std::string> done;
    for (auto const& first : c.groups) {
        if (!done.insert(first.role).second)
            continue;
        std::size_t count = 0;
        for (auto const& group : c.groups)
            count += group.role == first.role ? group.heads.size() : 0;
        auto const all = static_cast<std::size_t>(layers) * static_cast<std::size_t>(heads);
        auto const items = r.sample(all, count);
        auto next = items.begin();
        for (auto& group : drawn.groups)
            if (group.role == first.role)
                for (auto& head : group.heads) {
                    auto const i = *next++;
                    head = {static_cast<int>(i / static_cast<std::size_t>(heads)),
                            static_cast<int>(i % static_cast<std::size_t>(heads))};
                }
    }
    return drawn;
}

} // namespace engraft
