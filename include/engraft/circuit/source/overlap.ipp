#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/overlap.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

ENGRAFT_BODY std::vector<overlap> overlap_by_group(circuit const& a, circuit const& b) {
    std::vector<overlap> lines;
    for (auto const& group : a.groups) {
        auto const* other = detail::counterpart(group, b);
        lines.push_back({group.name, group.heads.size(), other ? other->heads.size() : 0,
                         other ? heads_in(group.heads, other->heads).size() : 0});
    }
    for (auto const& group : b.groups)
        if (!a.find(group.name))
            lines.push_back({group.name, 0, group.heads.size(), 0});
    return lines;
}

ENGRAFT_BODY overlap overlap_of(circuit const& a, circuit const& b) {
    auto const nodes_of = [](circuit const& c) {
        std::set<std::pair<std::string, node>> all;
        for (auto const& group : c.groups)
            for (auto const head : group.heads)
                all.insert({group.role, head});
        return all;
    };
    auto const first = nodes_of(a), second = nodes_of(b);
    overlap whole{"all", first.size(), second.size(), 0};
    for (auto const& n : first)
        whole.common += second.contains(n);
    return whole;
}

} // namespace engraft
