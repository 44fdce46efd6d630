#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <engraft/backend/cpu/packed.hpp>
#include <engraft/backend/cpu/tile.hpp>
#include <engraft/backend/cpu/vector.hpp>

namespace engraft::detail {

template <template <std::size_t, std::size_t> class Tile, std::size_t Panels, class T, std::size_t... R>
constexpr tile_set<T> make_tiles(std::index_sequence<R...>) {
    return {Panels, {Tile<R + 1, Panels>::compute...}, {Tile<R + 1, 1>::compute...}};
}

// Loops over registers, which must vanish: GCC does so where it is told to, Clang by itself.
#if defined(__clang__)
#define ENGRAFT_UNROLL
#else
#define ENGRAFT_UNROLL _Pragma("GCC unroll 8")
#endif

/// Any processor: eight numbers at a time, so that the sums of six rows stay in sixteen short registers.
template <class T>
struct portable_tiles {
    template <std::size_t R, std::size_t>
    struct tile {
        static void compute(tile_job<T> const& job) {
            for (std::size_t c = 0; c < packed_matrix<T>::panel; c += lane_count) {
                lanes<T> sums[R];
                ENGRAFT_UNROLL
                for (std::size_t r = 0; r < R; ++r)
                    if (job.go_on)
                        load<T>(sums[r], job.out + r * job.out_stride + c);
                    else
                        sums[r] = lanes<T>{};
                for (std::size_t i = 0; i < job.depth; ++i) {
                    lanes<T> w;
                    load<T>(w, job.weights + i * packed_matrix<T>::panel + c);
                    ENGRAFT_UNROLL
                    for (std::size_t r = 0; r < R; ++r)
                        sums[r] += job.in[r * job.in_stride + i] * w;
                }
                ENGRAFT_UNROLL
                for (std::size_t r = 0; r < R; ++r)
                    store<T>(job.out + r * job.out_stride + c, sums[r]);
            }
        }
    };
    static constexpr auto all = make_tiles<tile, 1, T>(std::make_index_sequence<tile_set<T>::rows>{});
};

#if defined(__x86_64__)

template <std::size_t R, std::size_t>
struct avx2_tile {
    [[gnu::target("avx2,fma")]] static void compute(tile_job<float> const& job) {
        auto const [in, stride, weights, panel_size, depth, out, out_stride, go_on] = job;
        __m256 sums[R][2];
        ENGRAFT_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            sums[r][0] = go_on ? _mm256_loadu_ps(out + r * out_stride) : _mm256_setzero_ps();
            sums[r][1] = go_on ? _mm256_loadu_ps(out + r * out_stride + 8) : _mm256_setzero_ps();
        }
        float const *w = weights, *x = in;
        for (std::size_t i = 0; i < depth; ++i, ++x, w += 16) {
            __m256 const left = _mm256_load_ps(w), right = _mm256_load_ps(w + 8);
            ENGRAFT_UNROLL
            for (std::size_t r = 0; r < R; ++r) {
                __m256 const each = _mm256_broadcast_ss(x + r * stride);
                sums[r][0] = _mm256_fmadd_ps(each, left, sums[r][0]);
                sums[r][1] = _mm256_fmadd_ps(each, right, sums[r][1]);
            }
        }
        ENGRAFT_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            _mm256_storeu_ps(out + r * out_stride, sums[r][0]);
            _mm256_storeu_ps(out + r * out_stride + 8, sums[r][1]);
        }
    }
};

/// A panel is one register wide; four of them at a time leave fewer loads to each multiplication.
template <std::size_t R, std::size_t Panels>
struct avx512_tile {
    [[gnu::target("avx512f")]] static void compute(tile_job<float> const& job) {
        auto const [in, stride, weights, panel_size, depth, out, out_stride, go_on] = job;
        __m512 sums[R][Panels];
        ENGRAFT_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            ENGRAFT_UNROLL
            for (std::size_t p = 0; p < Panels; ++p)
                sums[r][p] = go_on ? _mm512_loadu_ps(out + r * out_stride + p * 16) : _mm512_setzero_ps();
        }
        float const *w = weights, *x = in;
        for (std::size_t i = 0; i < depth; ++i, ++x, w += 16) {
            __m512 now[Panels];
            ENGRAFT_UNROLL
            for (std::size_t p = 0; p < Panels; ++p)
                now[p] = _mm512_load_ps(w + p * panel_size);
            ENGRAFT_UNROLL
            for (std::size_t r = 0; r < R; ++r) {
                __m512 const each = _mm512_set1_ps(x[r * stride]);
                ENGRAFT_UNROLL
                for (std::size_t p = 0; p < Panels; ++p)
                    sums[r][p] = _mm512_fmadd_ps(each, now[p], sums[r][p]);
            }
        }
        ENGRAFT_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
            ENGRAFT_UNROLL
            for (std::size_t p = 0; p < Panels; ++p)
                _mm512_storeu_ps(out + r * out_stride + p * 16, sums[r][p]);
        }
    }
};

inline constexpr auto avx2_tiles = make_tiles<avx2_tile, 1, float>(std::make_index_sequence<tile_set<float>::rows>{});
inline constexpr auto avx512_tiles =
    make_tiles<avx512_tile, 4, float>(std::make_index_sequence<tile_set<float>::rows>{});

#endif

#undef ENGRAFT_UNROLL

template <class T>
tile_set<T> const& tiles() {
#if defined(__x86_64__)
    if constexpr (std::is_same_v<T, float>) {
        static bool const has_avx512 = __builtin_cpu_supports("avx512f");
        static bool const has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        if (has_avx512)
            return avx512_tiles;
        if (has_avx2)
            return avx2_tiles;
    }
#endif
    return portable_tiles<T>::all;
}

} // namespace engraft::detail
