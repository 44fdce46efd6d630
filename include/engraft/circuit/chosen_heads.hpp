#pragma once

#include <span>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

/// The heads that a mask has learnt to take from the other run: those whose weight, kept in [0, 1], rounds to 0. A half
/// rounds to 0, as in PyTorch.
/// shape of `mask`: one weight per head, in the order of `heads`. throws bad_input when it is not, or a weight is NaN
/// source Davies et al. 2023 (DCM); Prakash et al. 2024, section 5.1 and appendix H
std::vector<node> chosen_heads(std::span<node const> heads, std::span<double const> mask);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/chosen_heads.ipp>
#endif
