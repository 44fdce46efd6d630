#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <engraft/circuit/trained_mask.hpp>
#include <engraft/core/adam.hpp>
#include <engraft/core/finite.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/rounded_product.hpp>

namespace engraft {

ENGRAFT_BODY trained_mask untrained_mask(mask_rule const& rule, std::size_t weights) {
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

ENGRAFT_BODY std::vector<double> weights_of(mask_rule const& rule, trained_mask const& mask, double progress) {
    auto weights = mask.parameters;
    double const temperature = rule.temperature * detail::falling(rule, progress);
    for (auto& w : weights)
        w = rule.temperature == 0 ? std::clamp(w, 0.0, 1.0) : 1 / (1 + std::exp(-w / temperature));
    return weights;
}

ENGRAFT_BODY std::vector<double> rounded(std::vector<double> weights) {
    detail::require_finite(weights, "a mask's weights");
    for (auto& w : weights)
        w = w > 0.5 ? 1 : 0;
    return weights;
}

ENGRAFT_BODY double mask_loss(mask_rule const& rule, std::vector<double> const& weights, double target) {
    double loss = -target;
    for (double const w : weights)
        loss += rounded_product(rule.sparsity + rounded_product(rule.undecided, w), 1 - w);
    return loss;
}

ENGRAFT_BODY std::vector<double> descend(mask_rule const& rule, trained_mask& mask,
                                         std::vector<double> const& of_target, double progress) {
    auto const weights = weights_of(rule, mask, progress);
    if (of_target.size() != weights.size())
        throw bad_input({"a mask of ", weights.size(), " weights got ", of_target.size(), " derivatives"});
    detail::require_finite(of_target, "a mask's derivatives");
    std::vector<double> gradient(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
        double const w = weights[i];
        gradient[i] = -of_target[i] - rule.sparsity + rounded_product(rule.undecided, 1 - 2 * w);
        if (rule.temperature == 0)
            mask.parameters[i] = w;
        else
            gradient[i] *= w * (1 - w) / (rule.temperature * detail::falling(rule, progress));
    }
    adam{}.step(mask.parameters, gradient, mask.optimizer, rule.learning_rate * detail::falling(rule, progress));
    return gradient;
}

} // namespace engraft
