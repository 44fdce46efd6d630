#pragma once

#include <cstdint>
#include <cstring>

#include <engraft/core/linkage.hpp>
#include <engraft/core/numeric.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

namespace detail {

inline unsigned byte_at(std::byte const* from, std::size_t i) { return std::to_integer<unsigned>(from[i]); }
inline int signed_at(std::byte const* from, std::size_t i) { return static_cast<std::int8_t>(byte_at(from, i)); }
inline float half_at(std::byte const* from) {
    std::uint16_t bits;
    std::memcpy(&bits, from, sizeof(bits));
    return from_float16(bits);
}

/// 16 bytes with a scale and a minimum of 4 bits each; 64 bytes, each 32 of which hold 128 elements of 2 bits; d, m:
/// fp16.
inline void dequantize_q2_k(std::byte const* block, float* out) {
    float const d = half_at(block + 80), m = half_at(block + 82);
    for (std::size_t i = 0; i < 256; ++i) {
        unsigned const both = byte_at(block, i / 16);
        float const scale = d * static_cast<float>(both & 15u), least = m * static_cast<float>(both >> 4);
        unsigned const four = byte_at(block + 16, i / 128 * 32 + i % 32);
        out[i] = scale * static_cast<float>((four >> (i % 128 / 32 * 2)) & 3u) - least;
    }
}

/// 32 bytes, bit b of byte i being the upper bit of element 32 b + i; 64 bytes of lower bits, as in Q2_K; 12 bytes with
/// 16 scales of 6 bits; d: fp16.
inline void dequantize_q3_k(std::byte const* block, float* out) {
    float const d = half_at(block + 108);
    auto const* const packed = block + 96;
    for (std::size_t i = 0; i < 256; ++i) {
        std::size_t const group = i / 16;
        // Lower four bits in eight bytes, the second half of the groups in their upper halves; upper two bits behind.
        unsigned const lower = (byte_at(packed, group % 8) >> (group / 8 * 4)) & 15u;
        unsigned const upper = (byte_at(packed, 8 + group % 4) >> (group / 4 * 2)) & 3u;
        float const scale = d * static_cast<float>(static_cast<int>(lower | (upper << 4)) - 32);
        unsigned const low = (byte_at(block + 32, i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2)) & 3u;
        unsigned const high = (byte_at(block, i % 32) >> (i / 32)) & 1u;
        out[i] = scale * static_cast<float>(static_cast<int>(low | (high << 2)) - 4);
    }
}

/// d, m: fp16; 12 bytes with eight scales and eight minima of 6 bits; `upper`, where it is there: 32 bytes, bit g of
/// byte i being the upper bit of element 32 g + i; 128 bytes, each 32 of which hold 64 elements.
inline void dequantize_q4_k(std::byte const* block, std::byte const* upper, std::byte const* elements, float* out) {
    float const d = half_at(block), m = half_at(block + 2);
    auto const* const packed = block + 4;
    for (std::size_t group = 0; group < 8; ++group) {
        // The first four stand in the lower six bits; the upper two bits of those bytes complete the last four.
        std::size_t const low = group % 4;
        unsigned const last = byte_at(packed, 8 + low);
        bool const first = group < 4;
        unsigned const s = first ? byte_at(packed, low) & 63u : (last & 15u) | ((byte_at(packed, low) >> 6) << 4);
        unsigned const t =
            first ? byte_at(packed, 4 + low) & 63u : (last >> 4) | ((byte_at(packed, 4 + low) >> 6) << 4);
        float const scale = d * static_cast<float>(s), least = m * static_cast<float>(t);
        for (std::size_t i = 0; i < 32; ++i) {
            unsigned const pair = byte_at(elements, group / 2 * 32 + i);
            unsigned const high = upper ? (byte_at(upper, i) >> group) & 1u : 0;
            out[group * 32 + i] =
                scale * static_cast<float>((group % 2 ? pair >> 4 : pair & 15u) | (high << 4)) - least;
        }
    }
}

/// 128 bytes of lower halves, 64 bytes with the two upper bits of four elements each, 16 scales, d: fp16.
inline void dequantize_q6_k(std::byte const* block, float* out) {
    float const d = half_at(block + 208);
    for (std::size_t i = 0; i < 256; ++i) {
        std::size_t const half = i / 128, quarter = i % 128 / 32, at = i % 32;
        unsigned const pair = byte_at(block, half * 64 + quarter % 2 * 32 + at);
        unsigned const low = quarter < 2 ? pair & 15u : pair >> 4;
        unsigned const high = (byte_at(block + 128, half * 32 + at) >> (2 * quarter)) & 3u;
        float const scale = d * static_cast<float>(signed_at(block + 192, i / 16));
        out[i] = scale * static_cast<float>(static_cast<int>(low | (high << 4)) - 32);
    }
}

/// 32 elements of 5 bits: d and, where there are `minima`, m, fp16; four bytes of upper bits; 16 bytes of lower ones.
inline void dequantize_q5(std::byte const* block, bool minima, float* out) {
    float const d = half_at(block);
    auto const* const upper = block + (minima ? 4 : 2);
    for (std::size_t i = 0; i < 32; ++i) {
        unsigned const pair = byte_at(upper + 4, i % 16), high = (byte_at(upper, i / 8) >> (i % 8)) & 1u;
        unsigned const n = (i < 16 ? pair & 15u : pair >> 4) | (high << 4);
        out[i] =
            minima ? d * static_cast<float>(n) + half_at(block + 2) : d * static_cast<float>(static_cast<int>(n) - 16);
    }
}

} // namespace detail

ENGRAFT_BODY void dequantize(dtype type, std::byte const* block, float* out) {
    switch (type) {
    // Of blocks of 32, elements 0 to 15 are in the lower halves of 16 bytes, 16 to 31 in the upper ones.
    case dtype::q4_0: {
        float const d = detail::half_at(block);
        for (std::size_t i = 0; i < 16; ++i) {
            unsigned const pair = detail::byte_at(block + 2, i);
            out[i] = d * static_cast<float>(static_cast<int>(pair & 15u) - 8);
            out[i + 16] = d * static_cast<float>(static_cast<int>(pair >> 4) - 8);
        }
        break;
    }
    case dtype::q4_1: {
        float const d = detail::half_at(block), m = detail::half_at(block + 2);
        for (std::size_t i = 0; i < 16; ++i) {
            unsigned const pair = detail::byte_at(block + 4, i);
            out[i] = d * static_cast<float>(pair & 15u) + m;
            out[i + 16] = d * static_cast<float>(pair >> 4) + m;
        }
        break;
    }
    case dtype::q5_0:
    case dtype::q5_1:
        detail::dequantize_q5(block, type == dtype::q5_1, out);
        break;
    case dtype::q8_0: {
        float const d = detail::half_at(block);
        for (std::size_t i = 0; i < 32; ++i)
            out[i] = d * static_cast<float>(detail::signed_at(block + 2, i));
        break;
    }
    case dtype::q2_k:
        detail::dequantize_q2_k(block, out);
        break;
    case dtype::q3_k:
        detail::dequantize_q3_k(block, out);
        break;
    case dtype::q4_k:
        detail::dequantize_q4_k(block, nullptr, block + 16, out);
        break;
    case dtype::q5_k:
        detail::dequantize_q4_k(block, block + 16, block + 48, out);
        break;
    case dtype::q6_k:
        detail::dequantize_q6_k(block, out);
        break;
    default:
        break;
    }
}

} // namespace engraft
