#pragma once

#include <cmath>
#include <span>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/summary.hpp>

namespace engraft {

ENGRAFT_BODY summary summarize(std::span<double const> values) {
    if (values.empty())
        throw bad_input("there is no mean of no values");
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

} // namespace engraft
