#pragma once

// What the host's backends compute, of which no description is an argument, is compiled once for all programs of the
// project (kernels.cpp), and with optimisation for those that have little of their own.

#include <engraft/backend/cpu/adjoint.hpp>
#include <engraft/backend/cpu/adjoint_rows.hpp>
#include <engraft/backend/cpu/cpu.hpp>
#include <engraft/backend/reference/adjoint.hpp>
#include <engraft/backend/reference/reference.hpp>

#ifndef ENGRAFT_KERNELS
#define ENGRAFT_KERNELS extern
#endif

namespace engraft {

ENGRAFT_KERNELS template class host_slices<cpu<fp32>, float>;
ENGRAFT_KERNELS template class cpu<fp32>;
ENGRAFT_KERNELS template class host_adjoint_slices<float>;
ENGRAFT_KERNELS template class adjoints<cpu<fp32>>;
ENGRAFT_KERNELS template void
attention_rows_adjoint(cpu<fp32> const&, matrix<float>, matrix<float>, matrix<float>, matrix<float const>,
                       matrix<float const>, vector_tensor<attention_row, host_memory> const&, matrix<float const>,
                       matrix<float const>, matrix<float const>, matrix<float const>,
                       vector_tensor<std::uint32_t, host_memory> const&, attention_shape const&, ragged const&);
ENGRAFT_KERNELS template class host_slices<reference, double>;
ENGRAFT_KERNELS template class host_adjoint_slices<double>;

} // namespace engraft
