#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ranges>
#include <vector>

namespace engraft {

/// Logarithms of a softmax, in double: small divergences drown in the rounding of a sum of floats.
std::vector<double> log_softmax(std::ranges::input_range auto const& of) {
    double const largest = *std::max_element(of.begin(), of.end());
    double sum = 0;
    for (double const x : of)
        sum += std::exp(x - largest);
    std::vector<double> logs(of.begin(), of.end());
    for (double& x : logs)
        x -= largest + std::log(sum);
    return logs;
}

/// D_KL(p || q), in nats: the sum of p (log p - log q). Both are given as logarithms of probabilities.
inline double kl_divergence(std::vector<double> const& log_p, std::vector<double> const& log_q) {
    double sum = 0;
    for (std::size_t i = 0; i < log_p.size(); ++i)
        sum += std::exp(log_p[i]) * (log_p[i] - log_q[i]);
    return sum;
}

} // namespace engraft
