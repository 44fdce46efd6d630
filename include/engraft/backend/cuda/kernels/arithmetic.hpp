#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <engraft/core/host_device.hpp>
#include <engraft/core/numeric.hpp>
#include <engraft/core/view.hpp>
#include <engraft/model/description.hpp>

/// Bodies of kernels: functors of plain pointers and sizes, called once for each index, or by a warp for each row.
namespace engraft::kernels {

/// a b + c, rounded once: written out, since a compiler may contract a product and a sum in one kernel and not in
/// another.
template <class T>
ENGRAFT_DEVICE inline T fused(T a, T b, T c) {
    return std::fma(a, b, c);
}

template <class T>
ENGRAFT_DEVICE inline T& at(matrix<T> const& m, std::size_t row, std::size_t column) {
    return m.data[row * m.stride + column];
}

struct cell {
    std::size_t row, column;
};
/// Element i of rows of so many columns. Short numbers are divided several times faster on a GPU.
ENGRAFT_DEVICE inline cell cell_of(std::size_t i, std::size_t columns) {
    if ((i | columns) <= 0xffffffffu) {
        auto const n = static_cast<std::uint32_t>(i), d = static_cast<std::uint32_t>(columns);
        return {n / d, n % d};
    }
    return {i / columns, i % columns};
}

ENGRAFT_DEVICE inline float widened(float x) { return x; }
ENGRAFT_DEVICE inline double widened(double x) { return x; }
ENGRAFT_DEVICE inline float widened(bfloat16 x) {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(x.bits) << 16);
}

/// x as it is stored; bfloat16 is rounded to the nearest, of two equally near to the even one, and NaN stays NaN.
template <class Storage, class T>
ENGRAFT_DEVICE inline Storage stored(T x) {
    if constexpr (std::is_same_v<Storage, bfloat16>) {
        auto const bits = __builtin_bit_cast(std::uint32_t, static_cast<float>(x));
        if ((bits & 0x7fffffffu) > 0x7f800000u)
            return {static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
        return {static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
    } else {
        return static_cast<Storage>(x);
    }
}

/// The nonlinearity of an MLP.
template <class T>
ENGRAFT_DEVICE inline T activation(T x, mlp kind) {
    if (kind == mlp::gated_silu)
        return x / (T(1) + std::exp(-x));
    if (kind == mlp::gelu)
        return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440)));
    if (kind == mlp::relu)
        return x < T(0) ? T(0) : x;
    T const u = T(0.79788456080286535588) * fused(T(0.044715) * x * x, x, x); // sqrt(2 / pi) (x + 0.044715 x^3)
    return T(0.5) * x * (T(1) + std::tanh(u));
}

/// Its derivative.
template <class T>
ENGRAFT_DEVICE inline T activation_slope(T x, mlp kind) {
    if (kind == mlp::gated_silu) {
        T const share = T(1) / (T(1) + std::exp(-x));
        return share * fused(x, T(1) - share, T(1));
    }
    if (kind == mlp::gelu) {
        T const density = std::exp(T(-0.5) * x * x) * T(0.39894228040143267794); // 1 / sqrt(2 pi)
        return fused(x, density, T(0.5) * (T(1) + std::erf(x * T(0.70710678118654752440))));
    }
    if (kind == mlp::relu)
        return x > T(0) ? T(1) : T(0);
    T const root = T(0.79788456080286535588), cubic = T(0.044715);
    T const share = std::tanh(root * fused(cubic * x * x, x, x));
    return T(0.5) * fused(x * (T(1) - share * share) * root, fused(T(3) * cubic * x, x, T(1)), T(1) + share);
}

/// x, or c tanh(x / c) where c is not 0.
template <class T>
ENGRAFT_DEVICE inline T capped(T x, T c) {
    return c > T(0) ? c * std::tanh(x / c) : x;
}

} // namespace engraft::kernels
