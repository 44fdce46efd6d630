#pragma once

// Eigen's own threads would divide a product by the number of threads and so change its bits; ours are over panels.
#ifndef EIGEN_DONT_PARALLELIZE
#define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>

#include <type_traits>

#include <engraft/core/view.hpp>

namespace engraft::detail {

template <class T>
using eigen_matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Eigen's name for the same elements.
template <class T>
auto as_eigen(matrix<T> m) {
    using plain = eigen_matrix<std::remove_const_t<T>>;
    using mapped = std::conditional_t<std::is_const_v<T>, plain const, plain>;
    return Eigen::Map<mapped, Eigen::Unaligned, Eigen::OuterStride<>>(
        m.data, static_cast<Eigen::Index>(m.rows), static_cast<Eigen::Index>(m.columns),
        Eigen::OuterStride<>(static_cast<Eigen::Index>(m.stride)));
}

/// out = a b and out = a b^T, on one thread. Functions of their own, so that Eigen is instantiated once for each.
template <class T>
void multiply(matrix<T> out, matrix<T const> a, matrix<T const> b) {
    as_eigen(out).noalias() = as_eigen(a) * as_eigen(b);
}
template <class T>
void multiply_transposed(matrix<T> out, matrix<T const> a, matrix<T const> b) {
    as_eigen(out).noalias() = as_eigen(a) * as_eigen(b).transpose();
}

} // namespace engraft::detail
