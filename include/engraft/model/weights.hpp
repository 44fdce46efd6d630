#pragma once

#include <memory>
#include <vector>

#include <engraft/core/tensor.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// Weights of one block in a backend's memory. A linear map is what the backend makes of a matrix [out, in] and an
/// optional bias [out] when they are loaded.
template <description D, class Backend>
struct block_weights {
    using vector = vector_tensor<typename Backend::value_type, typename Backend::memory_type>;
    using linear_map = typename Backend::linear_map;

    vector norm1_gain; ///< [d_model]
    linear_map q;      ///< [heads * d_head, d_model]
    linear_map k;      ///< [kv_heads * d_head, d_model]
    linear_map v;      ///< [kv_heads * d_head, d_model]
    linear_map o;      ///< [d_model, heads * d_head]
    vector norm2_gain; ///< [d_model]
    linear_map gate;   ///< [d_mlp, d_model]
    linear_map up;     ///< [d_mlp, d_model]
    linear_map down;   ///< [d_model, d_mlp]
};

/// All weights of a model, read once and never changed.
template <description D, class Backend>
struct weights {
    using value_type = typename Backend::value_type;
    using vector = vector_tensor<value_type, typename Backend::memory_type>;
    using table = matrix_tensor<value_type, typename Backend::memory_type>;

    table embedding; ///< [vocab, d_model]
    std::vector<block_weights<D, Backend>> blocks;
    vector final_norm_gain;                    ///< [d_model]
    typename Backend::linear_map unembedding;  ///< [vocab, d_model]
};

} // namespace engraft
