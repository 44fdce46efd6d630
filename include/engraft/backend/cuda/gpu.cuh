#pragma once

#if !defined(__CUDACC__)
#error "engraft/backend/cuda/gpu.cuh needs nvcc: a program for GPUs is a .cu file"
#endif

#include <cstddef>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <engraft/core/error.hpp>

namespace engraft {

/// A call of CUDA or cuBLASLt failed. What a kernel does wrong is reported by a later call: CUDA_LAUNCH_BLOCKING=1 in
/// the environment makes it the kernel's own.
class cuda_error : public error {
public:
    using error::error;
};

namespace detail {

[[gnu::cold, gnu::noinline]] inline void cuda_failed(std::string_view call, std::string_view file, int line,
                                                     char const* name, char const* text) {
    throw cuda_error({call, " at ", file.substr(file.rfind('/') + 1), ":", line, " failed with ", name, ": ", text});
}
inline void require_cuda(cudaError_t status, std::string_view call, char const* file, int line) {
    if (status != cudaSuccess)
        cuda_failed(call, file, line, cudaGetErrorName(status), cudaGetErrorString(status));
}
inline void require_cuda(cublasStatus_t status, std::string_view call, char const* file, int line) {
    if (status != CUBLAS_STATUS_SUCCESS)
        cuda_failed(call, file, line, cublasLtGetStatusName(status), cublasLtGetStatusString(status));
}

} // namespace detail

/// Calls CUDA or cuBLASLt; throws cuda_error with the call and where it stands when that fails.
#define ENGRAFT_CUDA(...) ::engraft::detail::require_cuda((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

/// Whether there is a GPU to compute on.
inline bool gpu_is_there() {
    int count = 0;
    bool const any = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    cudaGetLastError(); // not to be reported by the next call
    return any;
}

namespace detail {

/// The GPU that is current when the first tensor is made, and what all computing on it shares: one stream, in which
/// everything happens in the order of the calls; one pool of memory; pinned memory that copies go through.
class gpu {
public:
    static gpu& one() {
        static gpu& the = *new gpu; // never destroyed: tensors of static duration may outlive any order
        return the;
    }

    cudaStream_t stream() const { return stream_; }
    cublasLtHandle_t blas() const { return blas_; }
    void* blas_space() const { return blas_space_; }
    static constexpr std::size_t blas_space_bytes = std::size_t(32) << 20;

    std::string const& name() const { return name_; }

    void* allocate(std::size_t bytes) {
        if (bytes == 0)
            return nullptr;
        void* p = nullptr;
        auto const status = cudaMallocAsync(&p, bytes, stream_);
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            std::size_t free = 0, all = 0;
            ENGRAFT_CUDA(cudaMemGetInfo(&free, &all));
            throw cuda_error({"cudaMallocAsync: ", bytes, " bytes were asked for and the GPU has ", free, " of ", all,
                              " free; lower sweep_options::memory, run fewer prompts at a time or capture less"});
        }
        require_cuda(status, "cudaMallocAsync(&p, bytes, stream_)", __FILE__, __LINE__);
        return p;
    }

    /// Errors are not reported: they are those of a program that is ending, or will be met again by the next call.
    void deallocate(void* p) noexcept {
        if (p)
            static_cast<void>(cudaFreeAsync(p, stream_));
    }

    /// Returns when `from` may be changed again, not when `to` is written: whoever reads it does so in the same stream.
    void from_host(void* to, void const* from, std::size_t bytes) {
        if (bytes <= small_copy) { // CUDA puts these into a buffer of its own at once
            if (bytes > 0)
                ENGRAFT_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_));
            return;
        }
        std::lock_guard const lock(staging_);
        for (std::size_t done = 0; done < bytes;) {
            auto& piece = next_piece();
            auto const n = bytes - done < piece_bytes ? bytes - done : piece_bytes;
            std::memcpy(piece.data, static_cast<std::byte const*>(from) + done, n);
            ENGRAFT_CUDA(
                cudaMemcpyAsync(static_cast<std::byte*>(to) + done, piece.data, n, cudaMemcpyHostToDevice, stream_));
            ENGRAFT_CUDA(cudaEventRecord(piece.done, stream_));
            done += n;
        }
    }

    /// Waits until all that was launched before is done.
    void to_host(void* to, void const* from, std::size_t bytes) {
        std::lock_guard const lock(staging_);
        for (std::size_t done = 0; done < bytes;) {
            auto& piece = next_piece();
            auto const n = bytes - done < piece_bytes ? bytes - done : piece_bytes;
            ENGRAFT_CUDA(cudaMemcpyAsync(piece.data, static_cast<std::byte const*>(from) + done, n,
                                         cudaMemcpyDeviceToHost, stream_));
            ENGRAFT_CUDA(cudaEventRecord(piece.done, stream_));
            ENGRAFT_CUDA(cudaEventSynchronize(piece.done));
            std::memcpy(static_cast<std::byte*>(to) + done, piece.data, n);
            done += n;
        }
    }

    void wait() const { ENGRAFT_CUDA(cudaStreamSynchronize(stream_)); }

private:
    static constexpr std::size_t small_copy = std::size_t(32) << 10;
    static constexpr std::size_t piece_bytes = std::size_t(4) << 20;
    static constexpr std::size_t pieces = 8;

    struct piece {
        void* data = nullptr;
        cudaEvent_t done{}; ///< the last copy through it
    };

    gpu() {
        int count = 0;
        auto const status = cudaGetDeviceCount(&count);
        if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver ||
            (status == cudaSuccess && count == 0)) {
            cudaGetLastError();
            throw cuda_error({"there is no GPU that CUDA can use (cudaGetDeviceCount: ", cudaGetErrorString(status),
                              "); take the backend cpu<fp32> instead"});
        }
        require_cuda(status, "cudaGetDeviceCount(&count)", __FILE__, __LINE__);
        int device = 0, pools = 0;
        ENGRAFT_CUDA(cudaGetDevice(&device));
        cudaDeviceProp properties{};
        ENGRAFT_CUDA(cudaGetDeviceProperties(&properties, device));
        name_ = properties.name;
        ENGRAFT_CUDA(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, device));
        if (!pools)
            throw cuda_error({name_, " has no memory pools, which engraft's tensors are made of"});
        cudaMemPool_t pool{};
        ENGRAFT_CUDA(cudaDeviceGetDefaultMemPool(&pool, device));
        unsigned long long keep = ~0ull; // what tensors gave back is kept for the next ones
        ENGRAFT_CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
        ENGRAFT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
        for (auto& p : pieces_) {
            ENGRAFT_CUDA(cudaMallocHost(&p.data, piece_bytes));
            ENGRAFT_CUDA(cudaEventCreateWithFlags(&p.done, cudaEventDisableTiming));
        }
        ENGRAFT_CUDA(cublasLtCreate(&blas_));
        ENGRAFT_CUDA(cudaMalloc(&blas_space_, blas_space_bytes));
    }

    piece& next_piece() {
        auto& piece = pieces_[next_++ % pieces];
        ENGRAFT_CUDA(cudaEventSynchronize(piece.done));
        return piece;
    }

    std::string name_;
    cudaStream_t stream_{};
    cublasLtHandle_t blas_{};
    void* blas_space_ = nullptr;
    std::mutex staging_;
    piece pieces_[pieces];
    std::size_t next_ = 0;
};

} // namespace detail

/// Memory of the GPU. Elements are written and freed in the order of the stream, without waiting.
struct cuda_memory {
    static constexpr bool host_accessible = false;

    static void* allocate(std::size_t bytes) { return detail::gpu::one().allocate(bytes); }
    static void deallocate(void* p) noexcept {
        if (p)
            detail::gpu::one().deallocate(p);
    }
    static void from_host(void* to, void const* from, std::size_t bytes) {
        if (bytes > 0)
            detail::gpu::one().from_host(to, from, bytes);
    }
    static void to_host(void* to, void const* from, std::size_t bytes) {
        if (bytes > 0)
            detail::gpu::one().to_host(to, from, bytes);
    }
};

} // namespace engraft
