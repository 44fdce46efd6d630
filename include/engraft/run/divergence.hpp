#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace engraft::detail {

/// log(softmax) in double: small divergences drown in the rounding of a backend's own sum.
template <class T>
std::vector<double> log_softmax(std::span<T const> row) {
    double const largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double const x : row)
        sum += std::exp(x - largest);
    std::vector<double> logs(row.begin(), row.end());
    for (double& x : logs)
        x -= largest + std::log(sum);
    return logs;
}

/// Kullback-Leibler divergence of `ours` from `clean`, both log(softmax), in nats.
inline double divergence(std::vector<double> const& clean, std::vector<double> const& ours) {
    double sum = 0;
    for (std::size_t i = 0; i < ours.size(); ++i)
        sum += std::exp(clean[i]) * (clean[i] - ours[i]);
    return sum;
}

} // namespace engraft::detail
