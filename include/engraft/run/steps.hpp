#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/model/rotary.hpp>
#include <engraft/model/weights.hpp>

/// Steps of a block that every pass over rows takes.
namespace engraft::detail {

/// Cosines and sines of all positions before `longest`: what backend `rotate` takes.
template <description const& D, backend B>
auto rotary_angles(std::size_t longest) {
    using T = typename B::value_type;
    auto const frequencies = rotary_frequencies(D);
    std::vector<T> angles;
    for (std::size_t p = 0; p < longest; ++p) {
        for (double f : frequencies)
            angles.push_back(static_cast<T>(std::cos(static_cast<double>(p) * f)));
        for (double f : frequencies)
            angles.push_back(static_cast<T>(std::sin(static_cast<double>(p) * f)));
    }
    return matrix_tensor<T, typename B::memory_type>::from_host(angles,
                                                                extents<dynamic, dynamic>(longest, rotary_width(D)));
}

/// in, out: [rows, d_model], may be the same
template <description const& D, class B>
void normalize(B const& b, matrix<typename B::value_type> out, matrix<typename B::value_type const> in,
               typename block_weights<D, B>::norm const& w) {
    if (in.rows == 0)
        return;
    if constexpr (D.norm == norm::rms)
        b.rms_norm(out, in, w.gain, D.norm_eps);
    else
        b.layer_norm(out, in, w.gain, w.bias, D.norm_eps);
}

/// Each head of each row by itself. x: [rows, heads, d_head]
template <description const& D, class B>
void normalize_heads(B const& b, matrix<typename B::value_type> x, std::size_t heads,
                     typename block_weights<D, B>::norm const& w) {
    matrix<typename B::value_type> const each{x.data, x.rows * heads, D.d_head, D.d_head};
    if (x.rows > 0)
        b.rms_norm(each, each, w.gain, D.norm_eps);
}

} // namespace engraft::detail
