#pragma once

#include <engraft/backend/cuda/kernels/warp.hpp>

/// Kernels that a warp runs for each row.
namespace engraft::kernels {

/// out[r] = in[r] / sqrt(mean(in[r]^2) + eps) * gain; `out` may be `in`.
template <class T>
struct rms_normed {
    matrix<T> out;
    matrix<T const> in;
    T const* gain;
    T eps;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t r) const {
        T const* const x = &at(in, r, 0);
        T* const y = &at(out, r, 0);
        T const squares = warp.template sum<T>(in.columns, [&](T s, std::size_t c) { return fused(x[c], x[c], s); });
        T const scale = T(1) / std::sqrt(squares / static_cast<T>(in.columns) + eps);
        warp.each(in.columns, [&](std::size_t c) { y[c] = x[c] * scale * gain[c]; });
    }
};

/// out[r] = (in[r] - mean) / sqrt(variance + eps) * gain + bias; `out` may be `in`.
template <class T>
struct layer_normed {
    matrix<T> out;
    matrix<T const> in;
    T const *gain, *bias;
    T eps;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t r) const {
        T const* const x = &at(in, r, 0);
        T* const y = &at(out, r, 0);
        T const n = static_cast<T>(in.columns);
        T const mean = warp.template sum<T>(in.columns, [&](T s, std::size_t c) { return s + x[c]; }) / n;
        T const variance = warp.template sum<T>(in.columns, [&](T s, std::size_t c) {
            return fused(x[c] - mean, x[c] - mean, s);
        }) / n;
        T const scale = T(1) / std::sqrt(variance + eps);
        warp.each(in.columns, [&](std::size_t c) { y[c] = fused((x[c] - mean) * scale, gain[c], bias[c]); });
    }
};

/// out[r] = log of the sum over the row of exp; the sum is kept in double.
template <class T>
struct log_sums {
    double* out;
    matrix<T const> in;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t r) const {
        T const* const x = &at(in, r, 0);
        T const largest = warp.template best<T>(in.columns, [&](std::size_t c) { return x[c]; }).value;
        double const sum = warp.template sum<double>(
            in.columns, [&](double s, std::size_t c) { return s + static_cast<double>(std::exp(x[c] - largest)); });
        warp.once([&] { out[r] = static_cast<double>(largest) + std::log(sum); });
    }
};

/// out[r] = the largest column of the row, the first of equals; NaN counts as infinity.
template <class T>
struct largest_columns {
    std::int32_t* out;
    matrix<T const> in;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t r) const {
        T const* const x = &at(in, r, 0);
        auto const best = warp.template best<T>(
            in.columns, [&](std::size_t c) { return x[c] == x[c] ? x[c] : static_cast<T>(INFINITY); });
        warp.once([&] { out[r] = static_cast<std::int32_t>(best.index); });
    }
};

} // namespace engraft::kernels
