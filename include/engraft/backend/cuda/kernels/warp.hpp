#pragma once

#include <cstddef>

#include <engraft/backend/cuda/kernels/arithmetic.hpp>

/// Kernels of rows are written for a warp: 32 lanes that share the row's elements, lane l those at l, l + 32, ... What
/// a warp has:
///
///   warp.each(n, f)          f(i) of every i < n, by the lane that has it
///   warp.sum<T>(n, f)        lanes go s = f(s, i) from 0 over their elements; then their s are added as a binary tree
///   warp.best<T>(n, f)        the largest f(i) and its i, the first of equals; every lane gets them, as it does the
///   sum warp.collect(n, f, put)  f(i) of every i in turn, by all lanes together; put(i, value) by the lane that has i
///   warp.once(f)             f() by one lane
///
/// A kernel has no other way for lanes to see each other's numbers, so that it cannot forget to wait for them: what one
/// lane writes to memory no other lane of the kernel reads.
namespace engraft::kernels {

inline constexpr std::size_t warp_lanes = 32;

/// An element and where it stands.
template <class T>
struct found {
    T value;
    std::size_t index;
};

#if !defined(__CUDACC__)
/// A warp on the host: its lanes one after the other, with the sums of a GPU's in the same order.
struct host_warp {
    template <class F>
    void each(std::size_t n, F const& f) const {
        for (std::size_t i = 0; i < n; ++i)
            f(i);
    }

    template <class T, class F>
    T sum(std::size_t n, F const& f) const {
        T lanes[warp_lanes] = {};
        for (std::size_t i = 0; i < n; ++i)
            lanes[i % warp_lanes] = f(lanes[i % warp_lanes], i);
        for (std::size_t apart = warp_lanes / 2; apart > 0; apart /= 2)
            for (std::size_t l = 0; l < apart; ++l)
                lanes[l] = lanes[l] + lanes[l + apart];
        return lanes[0];
    }

    template <class T, class F>
    found<T> best(std::size_t n, F const& f) const {
        found<T> largest{f(std::size_t(0)), 0};
        for (std::size_t i = 1; i < n; ++i)
            if (T const value = f(i); value > largest.value)
                largest = {value, i};
        return largest;
    }

    template <class F, class Put>
    void collect(std::size_t n, F const& f, Put const& put) const {
        for (std::size_t i = 0; i < n; ++i)
            put(i, f(i));
    }

    template <class F>
    void once(F const& f) const {
        f();
    }
};
#endif

} // namespace engraft::kernels
