#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

namespace engraft {

/// How numbers are stored and computed: `storage` is the type of weights and activations in memory, `compute` that of
/// sums and of the residual stream.
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
