#pragma once

#include <concepts>
#include <vector>

#include <engraft/core/tensor.hpp>
#include <engraft/model/description.hpp>
#include <engraft/model/step.hpp>

namespace engraft {

/// Weights of one block in a backend's memory. A linear map is what the backend makes of a matrix [out, in] and an
/// optional bias [out] when they are loaded. What the description does not have stays empty.
template <description const& D, class Backend>
struct block_weights {
    using vector = vector_tensor<typename Backend::value_type, typename Backend::memory_type>;
    using linear_map = typename Backend::linear_map;

    struct norm {
        vector gain; ///< as many as the norm's input is wide
        vector bias; ///< the same, in a layer norm
    };

    norm norm1;          ///< before attention, [d_model]
    linear_map q;        ///< [heads * d_head, d_model]
    linear_map k;        ///< [kv_heads * d_head, d_model]
    linear_map v;        ///< [kv_heads * d_head, d_model]
    norm q_norm, k_norm; ///< of each head, [d_head]
    linear_map o;        ///< [d_model, heads * d_head]
    norm attn_out_norm;  ///< of attention's output, [d_model]
    norm norm2;          ///< before the MLP, [d_model]
    linear_map gate;     ///< [d_mlp, d_model]
    linear_map up;       ///< [d_mlp, d_model]
    linear_map down;     ///< [d_model, d_mlp]
    norm mlp_out_norm;   ///< of the MLP's output, [d_model]

    /// One of several gated MLPs beside each other, as wide as `d_expert`.
    struct expert {
        linear_map gate; ///< [d_expert, d_model]
        linear_map up;   ///< [d_expert, d_model]
        linear_map down; ///< [d_model, d_expert]
    };

    linear_map router;           ///< [experts, d_model]
    std::vector<expert> experts; ///< of layers that have some, in the order of the router's outputs
};

/// The weight of a block that a step names.
template <block_weight W>
auto const& weight_of(auto const& block) {
    if constexpr (W == block_weight::norm1)
        return block.norm1;
    else if constexpr (W == block_weight::q_map)
        return block.q;
    else if constexpr (W == block_weight::k_map)
        return block.k;
    else if constexpr (W == block_weight::v_map)
        return block.v;
    else if constexpr (W == block_weight::q_norm)
        return block.q_norm;
    else if constexpr (W == block_weight::k_norm)
        return block.k_norm;
    else if constexpr (W == block_weight::o_map)
        return block.o;
    else if constexpr (W == block_weight::attn_out_norm)
        return block.attn_out_norm;
    else if constexpr (W == block_weight::norm2)
        return block.norm2;
    else if constexpr (W == block_weight::gate_map)
        return block.gate;
    else if constexpr (W == block_weight::up_map)
        return block.up;
    else if constexpr (W == block_weight::down_map)
        return block.down;
    else if constexpr (W == block_weight::router_map)
        return block.router;
    else
        return block.mlp_out_norm;
}

/// All weights of a model, read once and never changed.
template <description const& D, class Backend>
struct weights {
    using table = matrix_tensor<typename Backend::value_type, typename Backend::memory_type>;
    using block = block_weights<D, Backend>;

    /// Whether the backend gives back the rows of a linear map's matrix. Then an embedding that is the unembedding's
    /// matrix is there once, in the latter, and `embedding` is empty.
    static constexpr bool shares_tied_embedding =
        requires(Backend const& b, matrix<typename Backend::value_type> out, typename Backend::linear_map const& map,
                 vector_tensor<std::int32_t, typename Backend::memory_type> const& tokens) {
        b.gather_weights(out, map, tokens);
    };

    /// out[r] = the embedding of tokens[r]
    void embed(Backend const& b, matrix<typename Backend::value_type> out,
               vector_tensor<std::int32_t, typename Backend::memory_type> const& tokens) const {
        if constexpr (shares_tied_embedding)
            if (embedding.empty())
                return b.gather_weights(out, unembedding, tokens);
        b.gather_rows(out, as_matrix(embedding), tokens);
    }

    table embedding;          ///< [vocab, d_model]
    table position_embedding; ///< [positions, d_model]
    std::vector<block> blocks;
    typename block::norm final_norm;          ///< [d_model]
    typename Backend::linear_map unembedding; ///< [output_vocab, d_model]
};

} // namespace engraft
