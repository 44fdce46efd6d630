#pragma once

#include <cmath>
#include <string>

namespace report {

/// How a measured number is compared with a published one.
enum class relation {
    near,     ///< |here - there| <= tolerance
    at_least, ///< here >= there - tolerance
    at_most,  ///< here <= there + tolerance
};

/// A published statement, the number that it is about, and the same measured here. Whether both agree is computed,
/// never written down.
struct comparison {
    std::string statement;
    double here = 0;
    relation rule = relation::near;
    double there = 0; ///< the published number, or a bound that the statement implies
    double tolerance = 0;

    /// A number that is none (a mean of nothing, say) agrees with nothing.
    bool agrees() const {
        switch (rule) {
        case relation::near:
            return std::abs(here - there) <= tolerance;
        case relation::at_least:
            return here >= there - tolerance;
        case relation::at_most:
            return here <= there + tolerance;
        }
        return false;
    }
};

} // namespace report
