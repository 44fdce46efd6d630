#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

namespace engraft {

/// How numbers are stored and computed: `storage` is the type of the weights of linear maps, `compute` that of sums, of
/// activations and of the residual stream.
template <class N>
concept numeric_policy = requires {
    typename N::storage;
    typename N::compute;
    { N::name } -> std::convertible_to<char const*>;
};

struct fp32 {
    using storage = float;
    using compute = float;
    static constexpr char const* name = "fp32";
};

/// As fp32, but matrix products round their inputs to TF32 (10 bits of fraction); GPUs only.
struct tf32 {
    using storage = float;
    using compute = float;
    static constexpr char const* name = "tf32";
};

/// A number in 16 bits: the upper half of a binary32.
struct bfloat16 {
    std::uint16_t bits;
};

/// Weights are bfloat16, and what they are multiplied with is rounded to that; sums, activations and the residual
/// stream are fp32. GPUs only.
struct bf16 {
    using storage = bfloat16;
    using compute = float;
    static constexpr char const* name = "bf16";
};

struct fp64 {
    using storage = double;
    using compute = double;
    static constexpr char const* name = "fp64";
};

/// Value of IEEE 754 binary16 bits, exactly; subnormals, infinities and NaN included.
constexpr float from_float16(std::uint16_t bits) {
    std::uint32_t const sign = std::uint32_t(bits & 0x8000u) << 16;
    std::uint32_t const exponent = (bits >> 10) & 0x1fu;
    std::uint32_t const fraction = bits & 0x3ffu;
    if (exponent == 0) {
        float const magnitude = static_cast<float>(fraction) * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 31)
        return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

/// Value of bfloat16 bits: the upper half of a binary32.
constexpr float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t(bits) << 16); }

} // namespace engraft
