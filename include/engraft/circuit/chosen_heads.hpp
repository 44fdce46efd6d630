#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>

namespace engraft {

/// The heads that a mask has learnt to take from the other run: those whose weight, kept in [0, 1], rounds to 0. A half
/// rounds to 0, as in PyTorch.
/// shape of `mask`: one weight per head, in the order of `heads`. throws bad_input when it is not, or a weight is NaN
/// source Davies et al. 2023 (DCM); Prakash et al. 2024, section 5.1 and appendix H
inline std::vector<node> chosen_heads(std::span<node const> heads, std::span<double const> mask) {
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
