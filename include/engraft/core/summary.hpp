#pragma once

#include <cstddef>
#include <span>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

/// Mean and spread of repeated measurements.
struct summary {
    std::size_t count = 0;
    double mean = 0;
    double deviation = 0; ///< standard deviation of these values: squares are divided by `count`, as numpy.std does
    double sample_deviation = 0; ///< of what they are a sample of: divided by count - 1; 0 for a single value
};

/// throws bad_input for no values
summary summarize(std::span<double const> values);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/core/source/summary.ipp>
#endif
