#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/intervene/where.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/run/metric.hpp>

namespace engraft {

ENGRAFT_BODY std::vector<part_of_batch> parts_of_batch(std::size_t examples, std::size_t most) {
    std::vector<part_of_batch> parts;
    for (std::size_t first = 0; first < examples; first += parts.back().count)
        parts.push_back({first, std::min(std::max(most, std::size_t{1}), examples - first)});
    return parts;
}

} // namespace engraft
