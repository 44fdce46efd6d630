#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// 16 numbers at a time for each instruction set: `wide`, with the same functions in each namespace. fma(a, b, c) is
/// a b + c and fnma(a, b, c) is c - a b, rounded once where the processor can. Nowhere is a product added by other
/// means, so compilers have nothing to fuse.

// What stands between the two is compiled for an instruction set that the program may not be compiled for.
#define ENGRAFT_PRAGMA(X) _Pragma(#X)
#if defined(__clang__)
#define ENGRAFT_BEGIN_TARGET(NAMES)                                                                                    \
    ENGRAFT_PRAGMA(clang attribute push(__attribute__((target(NAMES))), apply_to = function))
#define ENGRAFT_END_TARGET _Pragma("clang attribute pop")
#define ENGRAFT_UNROLL
#else
#define ENGRAFT_BEGIN_TARGET(NAMES) _Pragma("GCC push_options") ENGRAFT_PRAGMA(GCC target(NAMES))
#define ENGRAFT_END_TARGET _Pragma("GCC pop_options")
#define ENGRAFT_UNROLL _Pragma("GCC unroll 16") // loops over registers, which must vanish; clang does so by itself
#endif

/// Any processor: four numbers at a time by the compilers' vector types.
namespace engraft::detail::portable {

typedef float quarter __attribute__((vector_size(16)));
typedef std::int32_t quarter_bits __attribute__((vector_size(16)));

struct wide {
    quarter of[4];
};

template <class F>
inline wide each_quarter(F const& f) {
    return {{f(0), f(1), f(2), f(3)}};
}

inline wide set(float x) {
    return each_quarter([x](int) { return quarter{x, x, x, x}; });
}
inline wide load(float const* from) {
    wide w;
    std::memcpy(&w, from, sizeof(w));
    return w;
}
inline void store(float* to, wide const& w) { std::memcpy(to, &w, sizeof(w)); }
inline wide load(float const* from, std::size_t count) {
    if (count == 16)
        return load(from);
    wide w = set(0);
    std::memcpy(&w, from, count * sizeof(float));
    return w;
}
inline void store(float* to, wide const& w, std::size_t count) {
    if (count == 16)
        return store(to, w);
    std::memcpy(to, &w, count * sizeof(float));
}

inline wide add(wide const& a, wide const& b) {
    return each_quarter([&](int i) { return a.of[i] + b.of[i]; });
}
inline wide sub(wide const& a, wide const& b) {
    return each_quarter([&](int i) { return a.of[i] - b.of[i]; });
}
inline wide mul(wide const& a, wide const& b) {
    return each_quarter([&](int i) { return a.of[i] * b.of[i]; });
}
inline wide div(wide const& a, wide const& b) {
    return each_quarter([&](int i) { return a.of[i] / b.of[i]; });
}
inline wide fma(wide const& a, wide const& b, wide const& c) {
    return each_quarter([&](int i) { return a.of[i] * b.of[i] + c.of[i]; });
}
inline wide fnma(wide const& a, wide const& b, wide const& c) {
    return each_quarter([&](int i) { return c.of[i] - a.of[i] * b.of[i]; });
}
/// b where either is NaN.
inline wide max(wide const& a, wide const& b) {
    return each_quarter([&](int i) { return a.of[i] > b.of[i] ? a.of[i] : b.of[i]; });
}
inline wide min(wide const& a, wide const& b) {
    return each_quarter([&](int i) { return a.of[i] < b.of[i] ? a.of[i] : b.of[i]; });
}
/// x, but 0 where y is below a limit.
inline wide zero_below(wide const& x, wide const& y, float limit) {
    return each_quarter([&](int i) { return y.of[i] < limit ? quarter{} : x.of[i]; });
}
/// 2^n for whole numbers n from -126 to 127.
inline wide power_of_two(wide const& n) {
    return each_quarter([&](int i) {
        quarter_bits const bits = (__builtin_convertvector(n.of[i], quarter_bits) + 127) << 23;
        quarter power;
        std::memcpy(&power, &bits, sizeof(power));
        return power;
    });
}
inline float sum_of(wide const& w) {
    quarter const four = (w.of[0] + w.of[2]) + (w.of[1] + w.of[3]);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

} // namespace engraft::detail::portable

#if defined(__x86_64__)

#define ENGRAFT_AVX2 "avx2,fma"
ENGRAFT_BEGIN_TARGET(ENGRAFT_AVX2)
namespace engraft::detail::avx2 {

struct wide {
    __m256 a, b;
};

inline wide set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline wide load(float const* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline void store(float* to, wide const& w) {
    _mm256_storeu_ps(to, w.a);
    _mm256_storeu_ps(to + 8, w.b);
}
inline wide load(float const* from, std::size_t count) {
    if (count == 16)
        return load(from);
    float line[16] = {};
    std::memcpy(line, from, count * sizeof(float));
    return load(line);
}
inline void store(float* to, wide const& w, std::size_t count) {
    if (count == 16)
        return store(to, w);
    float line[16];
    store(line, w);
    std::memcpy(to, line, count * sizeof(float));
}
inline wide add(wide const& x, wide const& y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline wide sub(wide const& x, wide const& y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline wide mul(wide const& x, wide const& y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline wide div(wide const& x, wide const& y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline wide fma(wide const& x, wide const& y, wide const& z) {
    return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline wide fnma(wide const& x, wide const& y, wide const& z) {
    return {_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)};
}
inline wide max(wide const& x, wide const& y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline wide min(wide const& x, wide const& y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline wide zero_below(wide const& x, wide const& y, float limit) {
    __m256 const l = _mm256_set1_ps(limit);
    return {_mm256_andnot_ps(_mm256_cmp_ps(y.a, l, _CMP_LT_OQ), x.a),
            _mm256_andnot_ps(_mm256_cmp_ps(y.b, l, _CMP_LT_OQ), x.b)};
}
inline __m256 power_of_two(__m256 n) {
    __m256i const exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
inline wide power_of_two(wide const& n) { return {power_of_two(n.a), power_of_two(n.b)}; }
inline float sum_of(wide const& w) {
    __m256 const eight = _mm256_add_ps(w.a, w.b);
    __m128 const four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 const two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

} // namespace engraft::detail::avx2
ENGRAFT_END_TARGET

#define ENGRAFT_AVX512 "avx512f,avx2,fma"
ENGRAFT_BEGIN_TARGET(ENGRAFT_AVX512)
namespace engraft::detail::avx512 {

using wide = __m512;

inline __mmask16 first_lanes(std::size_t count) { return static_cast<__mmask16>((1u << count) - 1); }

inline wide set(float x) { return _mm512_set1_ps(x); }
inline wide load(float const* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, wide w) { _mm512_storeu_ps(to, w); }
inline wide load(float const* from, std::size_t count) { return _mm512_maskz_loadu_ps(first_lanes(count), from); }
inline void store(float* to, wide w, std::size_t count) { _mm512_mask_storeu_ps(to, first_lanes(count), w); }
inline wide add(wide x, wide y) { return _mm512_add_ps(x, y); }
inline wide sub(wide x, wide y) { return _mm512_sub_ps(x, y); }
inline wide mul(wide x, wide y) { return _mm512_mul_ps(x, y); }
inline wide div(wide x, wide y) { return _mm512_div_ps(x, y); }
inline wide fma(wide x, wide y, wide z) { return _mm512_fmadd_ps(x, y, z); }
inline wide fnma(wide x, wide y, wide z) { return _mm512_fnmadd_ps(x, y, z); }
inline wide max(wide x, wide y) { return _mm512_max_ps(x, y); }
inline wide min(wide x, wide y) { return _mm512_min_ps(x, y); }
inline wide zero_below(wide x, wide y, float limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_set1_ps(limit), _CMP_NLT_UQ), x);
}
inline wide power_of_two(wide n) {
    __m512i const exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}
inline float sum_of(wide w) {
    __m256 const high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(w), 1));
    return avx2::sum_of({_mm512_castps512_ps256(w), high});
}

} // namespace engraft::detail::avx512
ENGRAFT_END_TARGET

#endif
