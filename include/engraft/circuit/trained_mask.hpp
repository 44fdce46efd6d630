#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <engraft/core/adam.hpp>

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
inline trained_mask untrained_mask(mask_rule const& rule, std::size_t weights) {
    auto const finite = [](double x, double least) { return std::isfinite(x) && x >= least; };
    if (!finite(rule.learning_rate, 0) || !finite(rule.temperature, 0) || !std::isfinite(rule.sparsity) ||
        !std::isfinite(rule.undecided) || !(rule.last_factor > 0 && rule.last_factor <= 1))
        throw bad_input("a mask's learning rate and temperature must not be negative, its last factor must be above 0 "
                        "and at most 1, and all must be numbers");
    bool const inside = rule.temperature == 0 ? rule.start >= 0 && rule.start <= 1 : rule.start > 0 && rule.start < 1;
    if (!inside)
        throw bad_input("a mask's first weights must be from 0 to 1, with a temperature between them");
    double const first =
        rule.temperature == 0 ? rule.start : rule.temperature * std::log(rule.start / (1 - rule.start));
    return {std::vector<double>(weights, first), {}};
}

namespace detail {

inline double falling(mask_rule const& rule, double progress) { return std::pow(rule.last_factor, progress); }

} // namespace detail

/// The mask's weights, in [0, 1]. progress: the share of training that is done, from 0 to 1
inline std::vector<double> weights_of(mask_rule const& rule, trained_mask const& mask, double progress = 1) {
    auto weights = mask.parameters;
    double const temperature = rule.temperature * detail::falling(rule, progress);
    for (auto& w : weights)
        w = rule.temperature == 0 ? std::clamp(w, 0.0, 1.0) : 1 / (1 + std::exp(-w / temperature));
    return weights;
}

/// 0 or 1 for each weight; a half becomes 0, as in PyTorch.
inline std::vector<double> rounded(std::vector<double> weights) {
    for (auto& w : weights)
        w = w > 0.5 ? 1 : 0;
    return weights;
}

/// -target + lambda sum(1 - w) + mu sum(w (1 - w)). target: the mean logit of the target token under these weights
inline double mask_loss(mask_rule const& rule, std::vector<double> const& weights, double target) {
    double loss = -target;
    for (double const w : weights)
        loss += (rule.sparsity + rule.undecided * w) * (1 - w);
    return loss;
}

/// One step down the loss. of_target: derivative of the mean target logit with respect to each weight, taken at
/// `weights_of(rule, mask, progress)`. throws bad_input when they are not as many as the mask's weights
/// Returns the derivative of the loss with respect to the parameters, which the optimizer got.
inline std::vector<double> descend(mask_rule const& rule, trained_mask& mask, std::vector<double> const& of_target,
                                   double progress = 0) {
    auto const weights = weights_of(rule, mask, progress);
    if (of_target.size() != weights.size())
        throw bad_input({"a mask of ", weights.size(), " weights got ", of_target.size(), " derivatives"});
    std::vector<double> gradient(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
        double const w = weights[i];
        gradient[i] = -of_target[i] - rule.sparsity + rule.undecided * (1 - 2 * w);
        if (rule.temperature == 0)
            mask.parameters[i] = w;
        else
            gradient[i] *= w * (1 - w) / (rule.temperature * detail::falling(rule, progress));
    }
    adam{}.step(mask.parameters, gradient, mask.optimizer, rule.learning_rate * detail::falling(rule, progress));
    return gradient;
}

} // namespace engraft
