#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <vector>

#include <engraft/core/rounded_product.hpp>

namespace engraft {

/// Logarithms of a softmax, in double: small divergences drown in the rounding of a sum of floats. All are NaN if one
/// element is NaN or +infinity, or all are -infinity. of: a vector or a span
template <class Numbers>
    requires std::floating_point<typename Numbers::value_type> std::vector<double> log_softmax(Numbers const& of) {
        double const largest = *std::max_element(of.begin(), of.end());
        double sum = 0;
        for (double const x : of)
            sum += std::exp(x - largest);
        std::vector<double> logs(of.begin(), of.end());
        for (double& x : logs)
            x -= largest + std::log(sum);
        return logs;
    }

/// D_KL(p || q), in nats: the sum of p (log p - log q). Both are given as logarithms of probabilities. Infinite where q
/// has no probability and p has some; NaN if either distribution has NaN.
inline double kl_divergence(std::vector<double> const& log_p, std::vector<double> const& log_q) {
    double sum = 0;
    for (std::size_t i = 0; i < log_p.size(); ++i)
        if (log_p[i] != -std::numeric_limits<double>::infinity()) // where p has no probability it adds nothing
            sum += rounded_product(std::exp(log_p[i]), log_p[i] - log_q[i]);
        else if (std::isnan(log_q[i]))
            return log_q[i];
    return sum;
}

} // namespace engraft
