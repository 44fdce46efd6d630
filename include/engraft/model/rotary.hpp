#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <engraft/model/description.hpp>

namespace engraft {

namespace detail {

/// Which share of each pair's frequency yarn keeps, from 1 for those that turn more than `rope_beta_fast` times in the
/// original context down to 0 for those that turn less than `rope_beta_slow` times; in between by the pair's number.
inline double share_kept_by_yarn(description const& d, std::size_t pair) {
    // The number of the pair, not a whole one, that turns so often.
    auto const pair_with = [&](double turns) {
        return rotary_width(d) * std::log(d.rope_original_context / (turns * 2 * std::numbers::pi)) /
               (2 * std::log(d.rope_theta));
    };
    double first = pair_with(d.rope_beta_fast), last = pair_with(d.rope_beta_slow);
    if (d.rope_whole_pairs)
        first = std::floor(first), last = std::ceil(last);
    first = std::max(first, 0.0), last = std::min(last, rotary_width(d) - 1.0);
    if (first == last)
        last += 0.001;
    return 1 - std::clamp((static_cast<double>(pair) - first) / (last - first), 0.0, 1.0);
}

} // namespace detail

/// Angle per position of each rotated pair of a head, [n / 2] for n rotated elements: theta^(-2i / n), and what
/// `rope_scaling` makes of it. in_window: of the layers with a window, where these have a base of their own.
/// source  Su et al. 2021, section 3.2; Llama 3.1's released configuration; Chen et al. 2023 (linear); Peng et al.
/// 2023, section 3 (yarn), as transformers computes it
inline std::vector<double> rotary_frequencies(description const& d, bool in_window = false) {
    bool const other_base = in_window && d.window_rope_theta > 0;
    double const theta = other_base ? d.window_rope_theta : d.rope_theta;
    auto const scaling = other_base ? rope_scaling::none : d.rope_scaling;
    std::vector<double> frequencies(static_cast<std::size_t>(rotary_width(d)) / 2);
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
        double const f = std::pow(theta, -2.0 * static_cast<double>(i) / rotary_width(d));
        double kept = 1; // the rest is divided by the factor
        if (scaling == rope_scaling::llama3) {
            double const turns = d.rope_original_context * f / (2 * std::numbers::pi);
            double const share = (turns - d.rope_low_freq_factor) / (d.rope_high_freq_factor - d.rope_low_freq_factor);
            kept = share < 0 ? 0 : share > 1 ? 1 : share;
        } else if (scaling == rope_scaling::linear) {
            kept = 0;
        } else if (scaling == rope_scaling::yarn) {
            kept = detail::share_kept_by_yarn(d, i);
        }
        frequencies[i] = scaling == rope_scaling::none ? f : kept * f + (1 - kept) * f / d.rope_factor;
    }
    return frequencies;
}

/// What cosines and sines are multiplied by: 1 but for yarn. in_window: as in rotary_frequencies
inline double rotary_factor(description const& d, bool in_window = false) {
    if (d.rope_scaling != rope_scaling::yarn || (in_window && d.window_rope_theta > 0))
        return 1;
    if (d.rope_attention_factor > 0)
        return d.rope_attention_factor;
    return d.rope_factor > 1 ? 0.1 * std::log(d.rope_factor) + 1 : 1;
}

} // namespace engraft
