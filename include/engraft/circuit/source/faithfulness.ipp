#pragma once

#include <cstddef>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/faithfulness.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

ENGRAFT_BODY std::vector<circuit> random_circuits(circuit const& like, std::size_t count, int layers, int heads,
                                                  random& r) {
    std::vector<circuit> drawn;
    for (std::size_t i = 0; i < count; ++i)
        drawn.push_back(random_like(like, layers, heads, r));
    return drawn;
}

} // namespace engraft
