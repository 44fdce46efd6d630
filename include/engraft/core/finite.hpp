#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>

namespace engraft::detail {

/// Whether a policy may use a number: it is finite as a float, or it is the -infinity that masks a score or a logit.
inline bool usable(double x, bool masks) {
    return std::abs(x) <= static_cast<double>(std::numeric_limits<float>::max()) ||
           (masks && x == -std::numeric_limits<double>::infinity());
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_number(double x, std::string_view what) {
    throw bad_input({"engraft [policy.finite]: ", what, " is ",
                     std::isnan(x) ? "NaN"
                     : x > 0       ? "infinite"
                                   : "-infinite",
                     std::isinf(x) || std::isnan(x) ? "" : " as a float", "; give finite numbers"});
}

/// The number or numbers that a policy was given. what: "the factor of scale", for the message.
/// throws bad_input if one is NaN, infinite or beyond the range of a float; if `masks`, -infinity is allowed
inline double finite(double number, std::string_view what, bool masks = false) {
    if (!usable(number, masks))
        refuse_number(number, what);
    return number;
}

inline void require_finite(std::span<double const> numbers, std::string_view what, bool masks = false) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
        if (!usable(numbers[i], masks))
            refuse_number(numbers[i], message({"element ", i, " of ", what}));
}

inline std::vector<double> finite(std::vector<double> numbers, std::string_view what, bool masks = false) {
    require_finite(numbers, what, masks);
    return numbers;
}

} // namespace engraft::detail
