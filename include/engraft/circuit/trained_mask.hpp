#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <engraft/core/adam.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

/// How a mask is trained. The defaults are the paper's.
/// source Prakash et al. 2024, appendix H and its public code
struct mask_rule {
    double start = 1; ///< weights before the first step
    double learning_rate = 0.1;
    double sparsity = 0.01; ///< lambda: the loss has lambda * sum(1 - w), the price of what is exchanged
    double undecided = 0;   ///< the loss has this much of sum(w (1 - w)) too, which drives weights to 0 or 1
    double temperature = 0; ///< 0: weights are parameters, clamped to [0, 1] before each step; otherwise
                            ///< w = 1 / (1 + exp(-parameter / temperature))
    double last_factor = 1; ///< learning rate and temperature fall to this share of theirs during training, evenly in
                            ///< their logarithms

    friend bool operator==(mask_rule const&, mask_rule const&) = default;
};

/// Weights of a mask in training: w a + (1 - w) b of each component, a the original's activation, b the alternate's.
struct trained_mask {
    std::vector<double> parameters;
    adam_state optimizer;

    friend bool operator==(trained_mask const&, trained_mask const&) = default;
};

/// A mask before its first step. throws bad_input for a rule that trains nothing
trained_mask untrained_mask(mask_rule const& rule, std::size_t weights);

namespace detail {

inline double falling(mask_rule const& rule, double progress) { return std::pow(rule.last_factor, progress); }

} // namespace detail

/// The mask's weights, in [0, 1]. progress: the share of training that is done, from 0 to 1
std::vector<double> weights_of(mask_rule const& rule, trained_mask const& mask, double progress = 1);

/// 0 or 1 for each weight; a half becomes 0, as in PyTorch.
std::vector<double> rounded(std::vector<double> weights);

/// -target + lambda sum(1 - w) + mu sum(w (1 - w)). target: the mean logit of the target token under these weights
double mask_loss(mask_rule const& rule, std::vector<double> const& weights, double target);

/// One step down the loss. of_target: derivative of the mean target logit with respect to each weight, taken at
/// `weights_of(rule, mask, progress)`. throws bad_input when they are not as many as the mask's weights
/// Returns the derivative of the loss with respect to the parameters, which the optimizer got.
std::vector<double> descend(mask_rule const& rule, trained_mask& mask, std::vector<double> const& of_target,
                            double progress = 0);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/trained_mask.ipp>
#endif
