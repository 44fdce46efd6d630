#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <engraft/model/description.hpp>

namespace engraft {

/// Angle per position of each rotated pair of a head, [n / 2] for n rotated elements: theta^(-2i / n), and with
/// "llama3" scaling low frequencies divided by the factor, high ones kept and those between blended. source Su et al.
/// 2021, section 3.2; Llama 3.1's released configuration for the scaling
inline std::vector<double> rotary_frequencies(description const& d) {
    std::vector<double> frequencies(static_cast<std::size_t>(rotary_width(d)) / 2);
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
        double f = std::pow(d.rope_theta, -2.0 * static_cast<double>(i) / rotary_width(d));
        if (d.rope_scaling == rope_scaling::llama3) {
            double const turns = d.rope_original_context * f / (2 * std::numbers::pi);
            double const kept = (turns - d.rope_low_freq_factor) / (d.rope_high_freq_factor - d.rope_low_freq_factor);
            double const share = kept < 0 ? 0 : kept > 1 ? 1 : kept;
            f = share * f + (1 - share) * f / d.rope_factor;
        }
        frequencies[i] = f;
    }
    return frequencies;
}

} // namespace engraft
