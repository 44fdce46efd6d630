#pragma once

#if !defined(__CUDACC__)
#error "engraft/backend/cuda/adjoint.cuh needs nvcc: a program for GPUs is a .cu file"
#endif

#include <engraft/backend/cuda/cuda.cuh>
#include <engraft/backend/cuda/launched_adjoint.hpp>

namespace engraft {

/// An NVIDIA GPU backwards.
template <numeric_policy Numbers>
class adjoints<cuda<Numbers>> : public adjoints<launched<Numbers, cuda_launch>> {
public:
    explicit adjoints(cuda<Numbers> const& b) : adjoints<launched<Numbers, cuda_launch>>(b) {}
};

static_assert(differentiable<cuda<fp32>> && differentiable<cuda<bf16>>);

} // namespace engraft
