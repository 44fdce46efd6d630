#pragma once

#include <engraft/core/tensor.hpp>

namespace engraft {

/// y = x W^T + bias, for backends that keep W as the checkpoint has it.
template <class T, memory Memory>
struct dense_map {
    matrix_tensor<T, Memory> weight; ///< [out, in]
    vector_tensor<T, Memory> bias;   ///< [out], or empty

    std::size_t out() const { return weight.shape()[0]; }
    std::size_t in() const { return weight.shape()[1]; }
};

} // namespace engraft
