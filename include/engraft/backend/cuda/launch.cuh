#pragma once

#if !defined(__CUDACC__)
#error "engraft/backend/cuda/launch.cuh needs nvcc: a program for GPUs is a .cu file"
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <typeinfo>

#include <engraft/backend/cuda/gpu.cuh>
#include <engraft/backend/cuda/kernels/warp.hpp>

namespace engraft {

/// Sizes of launches.
struct cuda_tiles {
    static constexpr unsigned threads = 256;       ///< of a block
    static constexpr std::size_t blocks = 1 << 20; ///< at most; each goes on to what is left
    static constexpr std::size_t panel_rows = 256; ///< of one matrix product; the last panel is padded
    static constexpr std::size_t panels = 16;      ///< of one call of cuBLASLt, at most
    static constexpr std::size_t widest = 1 << 19; ///< input of cuBLASLt; no vocabulary is wider
    static constexpr std::size_t lines_together = std::size_t(1) << 23; ///< few enough to stay in the second cache
};

namespace kernels {

/// A warp of a GPU; what it has is said in kernels/warp.hpp. All 32 lanes call each of these together.
struct gpu_warp {
    unsigned lane;

    template <class F>
    __device__ void each(std::size_t n, F const& f) const {
        for (std::size_t i = lane; i < n; i += warp_lanes)
            f(i);
    }

    template <class T, class F>
    __device__ T sum(std::size_t n, F const& f) const {
        T mine = T(0);
        for (std::size_t i = lane; i < n; i += warp_lanes)
            mine = f(mine, i);
        for (int apart = warp_lanes / 2; apart > 0; apart /= 2)
            mine = mine + __shfl_xor_sync(all, mine, apart);
        return mine;
    }

    template <class T, class F>
    __device__ found<T> best(std::size_t n, F const& f) const {
        found<T> mine{lane < n ? f(std::size_t(lane)) : static_cast<T>(-INFINITY), lane};
        for (std::size_t i = lane + warp_lanes; i < n; i += warp_lanes)
            if (T const value = f(i); value > mine.value)
                mine = {value, i};
        for (int apart = warp_lanes / 2; apart > 0; apart /= 2) {
            found<T> const other{
                __shfl_xor_sync(all, mine.value, apart),
                static_cast<std::size_t>(__shfl_xor_sync(all, static_cast<unsigned long long>(mine.index), apart))};
            if (other.value > mine.value || (other.value == mine.value && other.index < mine.index))
                mine = other;
        }
        return mine;
    }

    template <class F, class Put>
    __device__ void collect(std::size_t n, F const& f, Put const& put) const {
        for (std::size_t first = 0; first < n; first += warp_lanes) {
            decltype(f(first)) mine{};
            auto const count = n - first < warp_lanes ? n - first : warp_lanes;
            for (std::size_t l = 0; l < count; ++l) {
                auto const value = f(first + l);
                if (l == lane)
                    mine = value;
            }
            if (lane < count)
                put(first + lane, mine);
        }
    }

    template <class F>
    __device__ void once(F const& f) const {
        if (lane == 0)
            f();
    }

private:
    static constexpr unsigned all = 0xffffffffu;
};

/// A block of a GPU; what it has is said in kernels/warp.hpp.
template <class T>
struct gpu_block {
    T* shared;

    template <class F>
    __device__ void each(std::size_t n, F const& f) const {
        for (std::size_t i = threadIdx.x; i < n; i += blockDim.x)
            f(i);
        __syncthreads();
    }

    template <class F>
    __device__ void each_warp(std::size_t n, F const& f) const {
        gpu_warp const warp{threadIdx.x % static_cast<unsigned>(warp_lanes)};
        for (std::size_t i = threadIdx.x / warp_lanes; i < n; i += blockDim.x / static_cast<unsigned>(warp_lanes))
            f(warp, i);
        __syncthreads();
    }
};

template <class F>
__global__ void __launch_bounds__(cuda_tiles::threads) run_each(__grid_constant__ F const f, std::size_t const n) {
    auto const step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step)
        f(i);
}

template <class F>
__global__ void __launch_bounds__(cuda_tiles::threads) run_each_warp(__grid_constant__ F const f, std::size_t const n) {
    auto const warps = blockDim.x / static_cast<unsigned>(warp_lanes);
    auto const step = static_cast<std::size_t>(gridDim.x) * warps;
    gpu_warp const warp{threadIdx.x % static_cast<unsigned>(warp_lanes)};
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * warps + threadIdx.x / warp_lanes; i < n; i += step)
        f(warp, i);
}

template <class F>
__global__ void __launch_bounds__(cuda_tiles::threads)
    run_each_block(__grid_constant__ F const f, std::size_t const n) {
    __shared__ typename F::shared_type shared[F::shared_elements];
    for (std::size_t i = blockIdx.x; i < n; i += gridDim.x)
        f(gpu_block<typename F::shared_type>{shared}, i);
}

} // namespace kernels

/// Launches kernels in the GPU's stream.
struct cuda_launches {
    template <class F>
    static void each(std::size_t n, F const& f) {
        launch(kernels::run_each<F>, n, cuda_tiles::threads, f);
    }
    template <class F>
    static void each_warp(std::size_t n, F const& f) {
        launch(kernels::run_each_warp<F>, n, cuda_tiles::threads / kernels::warp_lanes, f);
    }
    template <class F>
    static void each_block(std::size_t n, F const& f) {
        launch(kernels::run_each_block<F>, n, 1, f);
    }

private:
    /// in_block: of n, those that a block does at a time
    template <class F>
    static void launch(void (*kernel)(F const, std::size_t const), std::size_t n, std::size_t in_block, F const& f) {
        if (n == 0)
            return;
        cudaLaunchConfig_t how{};
        how.gridDim = {static_cast<unsigned>(std::min((n + in_block - 1) / in_block, cuda_tiles::blocks)), 1, 1};
        how.blockDim = {cuda_tiles::threads, 1, 1};
        how.stream = detail::gpu::one().stream();
        detail::require_cuda(cudaLaunchKernelEx(&how, kernel, f, n), typeid(F).name(), __FILE__, __LINE__);
    }
};

} // namespace engraft
