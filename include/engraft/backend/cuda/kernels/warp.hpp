#pragma once

#include <cstddef>

#include <engraft/backend/cuda/kernels/arithmetic.hpp>

/// Kernels of rows are written for a warp: 32 lanes that share the row's elements, lane l those at l, l + 32, ... What
/// a warp has:
///
///   warp.each(n, f)          f(i) of every i < n, by the lane that has it
///   warp.sum<T>(n, f)        lanes go s = f(s, i) from 0 over their elements; then their s are added as a binary tree
///   warp.best<T>(n, f)       the largest f(i) and its i, the first of equals; all lanes get them, as they do the sum
///   warp.collect(n, f, put)  f(i) of every i in turn, by all lanes together; put(i, value) by the lane that has i
///   warp.once(f)             f() by one lane
///
/// A kernel has no other way for lanes to see each other's numbers, so that it cannot forget to wait for them: what one
/// lane writes to memory no other lane of the kernel reads.
///
/// Kernels whose warps read the same numbers are written for a block: warps that share memory of their own. What a
/// block has:
///
///   block.each(n, f)         f(i) of every i < n, by any of its threads
///   block.each_warp(n, f)    f(warp, i) of every i < n, by any of its warps
///   block.shared             Kernel::shared_elements elements of type Kernel::shared_type
///
/// After both all warps wait for each other, so that what one has written the others read in the next step, and in none
/// before. All threads of a block come to each step.
namespace engraft::kernels {

inline constexpr std::size_t warp_lanes = 32;

/// An element and where it stands.
template <class T>
struct found {
    T value;
    std::size_t index;
};

} // namespace engraft::kernels
