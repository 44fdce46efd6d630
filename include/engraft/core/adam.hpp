#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/rounded_product.hpp>

namespace engraft {

/// What Adam remembers of its parameters.
struct adam_state {
    std::vector<double> first,
        second; ///< moving averages of the gradient and of its square; empty before the first step
    std::size_t steps = 0;

    friend bool operator==(adam_state const&, adam_state const&) = default;
};

/// Adam: each step changes a parameter by about the learning rate, against the sign of its gradient.
/// source Kingma and Ba 2015, algorithm 1; the defaults are its and PyTorch's
struct adam {
    double decay_first = 0.9, decay_second = 0.999, epsilon = 1e-8;

    /// throws bad_input when parameters, gradient and state are not as many
    void step(std::vector<double>& parameters, std::vector<double> const& gradient, adam_state& state,
              double learning_rate) const {
        if (state.steps == 0) {
            state.first.assign(parameters.size(), 0);
            state.second.assign(parameters.size(), 0);
        }
        if (gradient.size() != parameters.size() || state.first.size() != parameters.size() ||
            state.second.size() != parameters.size())
            throw bad_input({"Adam has ", parameters.size(), " parameters, a gradient of ", gradient.size(),
                             " and moments of ", state.first.size(), " and ", state.second.size(),
                             "; they must be as many"});
        auto const t = static_cast<double>(++state.steps);
        double const bias_first = 1 - std::pow(decay_first, t), bias_second = 1 - std::pow(decay_second, t);
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            auto &first = state.first[i], &second = state.second[i];
            first = rounded_product(decay_first, first) + rounded_product(1 - decay_first, gradient[i]);
            second = rounded_product(decay_second, second) +
                     rounded_product((1 - decay_second) * gradient[i], gradient[i]);
            parameters[i] -= learning_rate * (first / bias_first) / (std::sqrt(second / bias_second) + epsilon);
        }
    }
};

} // namespace engraft
