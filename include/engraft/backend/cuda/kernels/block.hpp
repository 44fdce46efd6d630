#pragma once

#include <cstddef>

#include <engraft/backend/cuda/kernels/warp.hpp>

/// Kernels whose warps read the same numbers are written for a block: warps that share memory of their own. What a
/// block has:
///
///   block.each(n, f)        f(i) of every i < n, by any of its threads
///   block.each_warp(n, f)   f(warp, i) of every i < n, by any of its warps
///   block.shared            Kernel::shared_elements elements of type Kernel::shared_type
///
/// After both all warps wait for each other, so that what one has written the others read in the next step, and in none
/// before. All threads of a block come to each step.
namespace engraft::kernels {

#if !defined(__CUDACC__)
/// A block on the host: one warp after the other.
template <class T>
struct host_block {
    T* shared;

    template <class F>
    void each(std::size_t n, F const& f) const {
        for (std::size_t i = n; i-- > 0;)
            f(i);
    }
    template <class F>
    void each_warp(std::size_t n, F const& f) const {
        for (std::size_t i = n; i-- > 0;)
            f(host_warp{}, i);
    }
};
#endif

} // namespace engraft::kernels
