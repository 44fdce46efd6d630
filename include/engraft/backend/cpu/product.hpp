#pragma once

#include <type_traits>

#if defined(ENGRAFT_ONEDNN)
#if !defined(_OPENMP)
#error "ENGRAFT_ONEDNN needs OpenMP (-fopenmp): oneDNN must be told to run each product on one thread"
#endif
#include <new>

#include <oneapi/dnnl/dnnl.h>

#include <engraft/core/error.hpp>
#else
// Eigen's own threads would divide a product by their number and so change its bits; ours are over panels.
#ifndef EIGEN_DONT_PARALLELIZE
#define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>
#endif

#include <engraft/core/view.hpp>

/// Products of two matrices on one thread, by oneDNN where the build has found it (ENGRAFT_ONEDNN), otherwise by Eigen.
/// A row's bits depend neither on the other rows nor on where it stands, but on how many rows there are.
namespace engraft::detail {

#if defined(ENGRAFT_ONEDNN)

inline void product(char transposed, matrix<float> out, matrix<float const> a, matrix<float const> b) {
    auto const n = [](std::size_t size) { return static_cast<dnnl_dim_t>(size); };
    auto const status = dnnl_sgemm('N', transposed, n(out.rows), n(out.columns), n(a.columns), 1, a.data, n(a.stride),
                                   b.data, n(b.stride), 0, out.data, n(out.stride));
    if (status == dnnl_out_of_memory)
        throw std::bad_alloc();
    if (status != dnnl_success)
        throw error({"oneDNN refused a matrix product with status ", static_cast<int>(status)});
}

/// out = a b
inline void multiply(matrix<float> out, matrix<float const> a, matrix<float const> b) { product('N', out, a, b); }
/// out = a b^T
inline void multiply_transposed(matrix<float> out, matrix<float const> a, matrix<float const> b) {
    product('T', out, a, b);
}

#else

/// Eigen's name for the same elements.
template <class T>
auto as_eigen(matrix<T> m) {
    using plain = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using mapped = std::conditional_t<std::is_const_v<T>, plain const, plain>;
    return Eigen::Map<mapped, Eigen::Unaligned, Eigen::OuterStride<>>(
        m.data, static_cast<Eigen::Index>(m.rows), static_cast<Eigen::Index>(m.columns),
        Eigen::OuterStride<>(static_cast<Eigen::Index>(m.stride)));
}

/// out = a b
template <class T>
void multiply(matrix<T> out, matrix<T const> a, matrix<T const> b) {
    as_eigen(out).noalias() = as_eigen(a) * as_eigen(b);
}
/// out = a b^T
template <class T>
void multiply_transposed(matrix<T> out, matrix<T const> a, matrix<T const> b) {
    as_eigen(out).noalias() = as_eigen(a) * as_eigen(b).transpose();
}

#endif

} // namespace engraft::detail
