#pragma once

#include <cmath>
#include <iomanip>
#include <locale>
#include <sstream>
#include <string>

namespace report {

/// A number as a reader wants it: whole ones as they are, others with three digits behind the point.
inline std::string shown(double x) {
    if (std::isnan(x))
        return "–";
    if (std::isinf(x))
        return x > 0 ? "∞" : "−∞";
    std::ostringstream text;
    text.imbue(std::locale::classic());
    if (x == std::floor(x) && std::abs(x) < 1e7)
        text << static_cast<long long>(x);
    else if (std::abs(x) >= 1e6)
        text << std::setprecision(3) << x;
    else
        text << std::fixed << std::setprecision(3) << x;
    auto t = text.str();
    if (t == "-0.000")
        return "0.000";
    return t[0] == '-' ? "−" + t.substr(1) : t;
}

} // namespace report
