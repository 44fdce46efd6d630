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
template <description D>
std::vector<double> rotary_frequencies() {
    std::vector<double> frequencies(static_cast<std::size_t>(rotary_width(D)) / 2);
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
        double f = std::pow(D.rope_theta, -2.0 * static_cast<double>(i) / rotary_width(D));
        if constexpr (D.rope_scaling == rope_scaling::llama3) {
            double const turns = D.rope_original_context * f / (2 * std::numbers::pi);
            double const kept = (turns - D.rope_low_freq_factor) / (D.rope_high_freq_factor - D.rope_low_freq_factor);
            double const share = kept < 0 ? 0 : kept > 1 ? 1 : kept;
            f = share * f + (1 - share) * f / D.rope_factor;
        }
        frequencies[i] = f;
    }
    return frequencies;
}

} // namespace engraft
