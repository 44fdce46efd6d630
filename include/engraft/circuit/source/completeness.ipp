#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/completeness.hpp>
#include <engraft/circuit/mean_ablation.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

ENGRAFT_BODY circuit without_nodes(circuit c, circuit const& removed) {
    for (auto& group : c.groups)
        for (auto const& other : removed.groups)
            if (other.role == group.role)
                group.heads = heads_not_in(group.heads, other.heads);
    return c;
}

ENGRAFT_BODY std::vector<knocked_out> each_group(circuit const& c) {
    std::vector<knocked_out> all;
    for (auto const& group : c.groups)
        all.push_back({group.name, {{group}}});
    return all;
}

ENGRAFT_BODY std::vector<knocked_out> random_subsets(circuit const& c, std::size_t count, random& r) {
    std::vector<knocked_out> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back({"random " + std::to_string(i + 1), c});
        for (auto& group : all.back().nodes.groups)
            std::erase_if(group.heads, [&](node) { return r.below(2) == 0; });
    }
    return all;
}

} // namespace engraft
