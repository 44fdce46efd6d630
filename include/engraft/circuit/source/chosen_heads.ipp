#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <engraft/circuit/chosen_heads.hpp>
#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

ENGRAFT_BODY std::vector<node> chosen_heads(std::span<node const> heads, std::span<double const> mask) {
    if (mask.size() != heads.size())
        throw bad_input({"a mask of ", mask.size(), " weights does not fit ", heads.size(), " heads"});
    std::vector<node> chosen;
    for (std::size_t i = 0; i < mask.size(); ++i) {
        if (std::isnan(mask[i]))
            throw bad_input({"weight ", i, " of the mask is NaN"});
        if (mask[i] <= 0.5)
            chosen.push_back(heads[i]);
    }
    return chosen;
}

} // namespace engraft
