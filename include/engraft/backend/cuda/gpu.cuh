#pragma once

#if !defined(__CUDACC__)
#error "engraft/backend/cuda/gpu.cuh needs nvcc: a program for GPUs is a .cu file"
#endif

#include <cstddef>
#include <cstdint>
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
    if (status == cudaSuccess)
        return;
    cudaGetLastError(); // it is reported here, and not to whom asks next
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
        auto status = cudaMallocAsync(&p, bytes, stream_);
        if (status == cudaErrorMemoryAllocation) {
            // What was freed lies in pieces that the pool keeps, or will be free when the stream gets there.
            cudaGetLastError();
            wait();
            ENGRAFT_CUDA(cudaMemPoolTrimTo(pool_, 0));
            status = cudaMallocAsync(&p, bytes, stream_);
        }
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            std::size_t free = 0, all = 0;
            std::uint64_t used = 0;
            ENGRAFT_CUDA(cudaMemGetInfo(&free, &all));
            ENGRAFT_CUDA(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &used));
            throw cuda_error({"cudaMallocAsync: ", bytes, " bytes were asked for; of the GPU's ", all, " bytes ", free,
                              " are free and tensors have ", used,
                              "; lower sweep_options::memory, run fewer prompts at a time or capture less"});
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
        std::lock_guard const lock(staging_);
        for (std::size_t done = 0; done < bytes;) {
            auto const n = bytes - done < part_bytes ? bytes - done : part_bytes;
            void* const staged = stage(n);
            std::memcpy(staged, static_cast<std::byte const*>(from) + done, n);
            ENGRAFT_CUDA(
                cudaMemcpyAsync(static_cast<std::byte*>(to) + done, staged, n, cudaMemcpyHostToDevice, stream_));
            done += n;
        }
    }

    /// Waits until all that was launched before is done.
    void to_host(void* to, void const* from, std::size_t bytes) {
        std::lock_guard const lock(staging_);
        for (std::size_t done = 0; done < bytes;) {
            auto const n = bytes - done < part_bytes ? bytes - done : part_bytes;
            void* const staged = stage(n);
            ENGRAFT_CUDA(cudaMemcpyAsync(staged, static_cast<std::byte const*>(from) + done, n, cudaMemcpyDeviceToHost,
                                         stream_));
            wait();
            std::memcpy(static_cast<std::byte*>(to) + done, staged, n);
            done += n;
        }
    }

    void wait() const { ENGRAFT_CUDA(cudaStreamSynchronize(stream_)); }

private:
    static constexpr std::size_t part_bytes = std::size_t(4) << 20, parts = 8;

    /// Pinned memory that copies go through, one behind the other. Who comes round to a part again waits for its
    /// copies.
    struct part {
        std::byte* data = nullptr;
        cudaEvent_t done{}; ///< recorded behind its last copy
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
        ENGRAFT_CUDA(cudaDeviceGetDefaultMemPool(&pool_, device));
        unsigned long long keep = ~0ull; // what tensors gave back is kept for the next ones
        ENGRAFT_CUDA(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep));
        ENGRAFT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
        for (auto& p : parts_) {
            ENGRAFT_CUDA(cudaMallocHost(&p.data, part_bytes));
            ENGRAFT_CUDA(cudaEventCreateWithFlags(&p.done, cudaEventDisableTiming));
        }
        ENGRAFT_CUDA(cublasLtCreate(&blas_));
        ENGRAFT_CUDA(cudaMalloc(&blas_space_, blas_space_bytes));
    }

    /// The next bytes of the staging memory, at most part_bytes.
    void* stage(std::size_t bytes) {
        if (bytes > part_bytes - staged_) {
            ENGRAFT_CUDA(cudaEventRecord(parts_[current_].done, stream_));
            current_ = (current_ + 1) % parts;
            ENGRAFT_CUDA(cudaEventSynchronize(parts_[current_].done)); // at once where it was never recorded
            staged_ = 0;
        }
        void* const at = parts_[current_].data + staged_;
        staged_ += (bytes + 15) / 16 * 16;
        return at;
    }

    std::string name_;
    cudaStream_t stream_{};
    cublasLtHandle_t blas_{};
    void* blas_space_ = nullptr;
    cudaMemPool_t pool_{};
    std::mutex staging_;
    part parts_[parts];
    std::size_t current_ = 0, staged_ = 0; ///< the part in use, and how much of it
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
