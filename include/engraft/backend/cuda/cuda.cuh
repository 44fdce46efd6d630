#pragma once

#if !defined(__CUDACC__)
#error "engraft/backend/cuda/cuda.cuh needs nvcc: a program for GPUs is a .cu file, and others leave it out"
#endif

#include <ostream>
#include <string>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/cuda/launched.hpp>
#include <engraft/backend/cuda/product.cuh>

namespace engraft {

/// An NVIDIA GPU, the one that is current (CUDA_VISIBLE_DEVICES chooses it): cuBLASLt's matrix products and engraft's
/// kernels, in one stream. Numbers is fp32 (TF32 off), tf32, or bf16 (weights, and what they are multiplied with);
/// sums, activations and the residual stream are fp32 in all three.
///
///     auto llama = load<llama_7b, cuda<bf16>>("llama-7b");
///
/// Functors given to `edit` and `when` become kernels: named, trivially copyable, and marked ENGRAFT_HOST_DEVICE.
/// throws cuda_error, at the first tensor when there is no GPU
template <numeric_policy Numbers>
class cuda : public launched<Numbers, cuda_launch> {
public:
    explicit cuda(products by = products::library) : launched<Numbers, cuda_launch>(cuda_launch{{}, by}) {}

    /// As it calls itself.
    static std::string const& device() { return detail::gpu::one().name(); }
    /// Waits until everything that was asked for is done, for measurements.
    static void wait() { detail::gpu::one().wait(); }
    /// Whether cuBLASLt does the products of all shapes that were met, and engraft's kernel none.
    static bool products_by_library() { return detail::blas_plans::all().by_library(); }
    /// Prints who does the products of each shape that was met.
    static void print_products(std::ostream& out) { detail::blas_plans::all().print(out); }
};

static_assert(backend<cuda<fp32>> && backend<cuda<bf16>>);

} // namespace engraft
