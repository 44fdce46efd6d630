#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/source/wide.ipp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/view.hpp>
#include <engraft/model/description.hpp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" // both of GCC 12's own intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace engraft::detail::portable {
#include <engraft/backend/cpu/source/kernel_bodies.ipp>
inline constexpr auto all = make_kernels("portable", make_tiles<2, 1>(std::make_index_sequence<2>{}));
} // namespace engraft::detail::portable

#if defined(__x86_64__)

ENGRAFT_BEGIN_TARGET(ENGRAFT_AVX2)
namespace engraft::detail::avx2 {
#include <engraft/backend/cpu/source/kernel_bodies.ipp>
inline constexpr auto all = make_kernels("AVX2", make_tiles<6, 1>(std::make_index_sequence<6>{}));
} // namespace engraft::detail::avx2
ENGRAFT_END_TARGET

ENGRAFT_BEGIN_TARGET(ENGRAFT_AVX512)
namespace engraft::detail::avx512 {
#include <engraft/backend/cpu/source/kernel_bodies.ipp>
inline constexpr auto all = make_kernels("AVX-512", make_tiles<12, 2>(std::make_index_sequence<12>{}));
} // namespace engraft::detail::avx512
ENGRAFT_END_TARGET

#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#undef ENGRAFT_AVX2
#undef ENGRAFT_AVX512
#undef ENGRAFT_BEGIN_TARGET
#undef ENGRAFT_END_TARGET
#undef ENGRAFT_PRAGMA
#undef ENGRAFT_UNROLL

namespace engraft::detail {

ENGRAFT_BODY std::span<cpu_kernels const* const> all_kernels() {
#if defined(__x86_64__)
    static cpu_kernels const* const all[] = {&portable::all, &avx2::all, &avx512::all};
    static bool const has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    static bool const has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f");
    return std::span(all).first(1u + has_avx2 + has_avx512);
#else
    static cpu_kernels const* const all[] = {&portable::all};
    return all;
#endif
}

ENGRAFT_BODY cpu_kernels const& kernels() {
    static cpu_kernels const& best = *all_kernels().back();
    return best;
}

} // namespace engraft::detail
