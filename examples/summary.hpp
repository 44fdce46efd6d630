#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include <engraft/core/error.hpp>

namespace example {

/// Mean and spread of repeated measurements.
struct summary {
    std::size_t count = 0;
    double mean = 0;
    double deviation = 0; ///< standard deviation of these values: squares are divided by `count`, as numpy.std does
    double sample_deviation = 0; ///< of what they are a sample of: divided by count - 1; 0 for a single value
};

/// throws bad_input for no values
inline summary summarize(std::span<double const> values) {
    if (values.empty())
        throw engraft::bad_input("cannot summarize an empty list");
    auto const n = static_cast<double>(values.size());
    summary s{values.size()};
    for (double const value : values)
        s.mean += value;
    s.mean /= n;
    double squares = 0;
    for (double const value : values)
        squares += (value - s.mean) * (value - s.mean);
    s.deviation = std::sqrt(squares / n);
    s.sample_deviation = values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
    return s;
}

} // namespace example
