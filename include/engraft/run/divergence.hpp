#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace engraft {

/// Kullback-Leibler divergence of the distribution softmax(to) from softmax(from), in nats:
/// sum over i of p_i (log p_i - log q_i), p of `from` and q of `to`. shape  as many logits in both
template <class T>
double kl_divergence(std::span<T const> from, std::span<T const> to) {
    auto const log_sum = [](std::span<T const> x) {
        double const largest = *std::max_element(x.begin(), x.end());
        double sum = 0;
        for (double const e : x)
            sum += std::exp(e - largest);
        return largest + std::log(sum);
    };
    double const a = log_sum(from), b = log_sum(to);
    double sum = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
        double const log_p = static_cast<double>(from[i]) - a, log_q = static_cast<double>(to[i]) - b;
        sum += std::exp(log_p) * (log_p - log_q);
    }
    return sum;
}

} // namespace engraft
