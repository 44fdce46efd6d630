#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <engraft/model/derived_tensor.hpp>
#include <engraft/model/stored_map.hpp>
#include <engraft/model/weights.hpp>

/// Checkpoints with Llama's names: Llama (Touvron et al. 2023) itself, and families that differ in what the description
/// says (biases, norms, window, experts), in how a norm's gain is stored (Gemma), in what is stored side by side
/// (Phi-3), or in what experts are called (Mixtral).
///
/// A family takes every weight of its model from `read`, which knows checkpoints' tensors by name:
///   read.vector(name, n)              [n]
///   read.vector_plus_one(name, n)     [n], each element one larger than it is stored
///   read.constant(n, value)           [n], which no checkpoint has
///   read.table(name, rows, columns)   [rows, columns]
///   read.linear(stored_map)           a linear map of the backend
namespace engraft::families {

struct llama {
    template <class Weights, class Reader>
    static Weights read(description const& d, Reader& read) {
        Weights w;
        if (!(d.tied_unembedding && Weights::shares_tied_embedding))
            w.embedding = read.table("model.embed_tokens.weight", d.vocab, d.d_model);
        for (int layer = 0; layer < d.layers; ++layer) {
            std::string const at = "model.layers." + std::to_string(layer) + ".";
            typename Weights::block b;
            if (d.pre_norms)
                b.norm1 = norm<typename Weights::block>(d, read, at + "input_layernorm", d.d_model);
            read_attention(d, read, at + "self_attn.", b);
            read_norms(d, read, at, b);
            if (has_experts(d, layer))
                read_experts(d, read, at + (d.family == family::mixtral ? "block_sparse_moe." : "mlp."), b);
            else
                read_mlp(d, read, at + "mlp.", b);
            w.blocks.push_back(std::move(b));
        }
        w.final_norm = norm<typename Weights::block>(d, read, "model.norm", d.d_model);
        w.unembedding = read.linear({.weight = d.tied_unembedding ? "model.embed_tokens.weight" : "lm_head.weight",
                                     .bias = d.unembedding_bias ? "lm_head.bias" : "",
                                     .out = output_vocab(d),
                                     .in = d.d_model});
        return w;
    }

    /// Tensors that checkpoints carry though they follow from the config or from other tensors.
    static derived_tensor derived(description const& d, std::string_view name) {
        using content = derived_tensor::content;
        if (name.ends_with(".rotary_emb.inv_freq"))
            return {content::frequencies};
        if (d.tied_unembedding && name == "lm_head.weight")
            return {content::copy, "model.embed_tokens.weight"};
        return {};
    }

private:
    template <class Block>
    static auto norm(description const& d, auto& read, std::string const& name, int n) {
        bool const less_one = d.family == family::gemma2 || d.family == family::gemma3;
        return typename Block::norm{
            less_one ? read.vector_plus_one(name + ".weight", n) : read.vector(name + ".weight", n), {}};
    }

    static auto linear(auto& read, std::string const& name, int out, int in, bool bias, std::vector<int> rows = {}) {
        return read.linear({.weight = name + ".weight",
                            .bias = bias ? name + ".bias" : "",
                            .out = out,
                            .in = in,
                            .rows = std::move(rows)});
    }

    /// Those behind the first. One is called by the place before which it stands, and that behind attention is the one
    /// before the MLP where there is no other.
    template <class Block>
    static void read_norms(description const& d, auto& read, std::string const& at, Block& b) {
        auto const named = [&](char const* name) { return norm<Block>(d, read, at + name, d.d_model); };
        if (d.post_norms)
            b.attn_out_norm = named("post_attention_layernorm");
        if (d.pre_norms)
            b.norm2 = named(d.post_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm");
        if (d.post_norms)
            b.mlp_out_norm = named("post_feedforward_layernorm");
    }

    template <class Block>
    static void read_attention(description const& d, auto& read, std::string const& at, Block& b) {
        int const queries = d.heads * d.d_head, keys = d.kv_heads * d.d_head;
        if (d.family == family::phi3) {
            auto const part = [&](int first, int count) {
                return linear(read, at + "qkv_proj", queries + 2 * keys, d.d_model, d.qkv_bias,
                              row_range(first, count));
            };
            b.q = part(0, queries);
            b.k = part(queries, keys);
            b.v = part(queries + keys, keys);
        } else {
            b.q = linear(read, at + "q_proj", queries, d.d_model, d.qkv_bias);
            b.k = linear(read, at + "k_proj", keys, d.d_model, d.qkv_bias);
            b.v = linear(read, at + "v_proj", keys, d.d_model, d.qkv_bias);
        }
        if (d.qk_norm) {
            b.q_norm = norm<Block>(d, read, at + "q_norm", d.qk_norm_wide ? queries : d.d_head);
            b.k_norm = norm<Block>(d, read, at + "k_norm", d.qk_norm_wide ? keys : d.d_head);
        }
        b.o = linear(read, at + "o_proj", d.d_model, queries, d.out_bias);
    }

    template <class Block>
    static void read_mlp(description const& d, auto& read, std::string const& at, Block& b) {
        if (d.family == family::phi3) {
            auto const part = [&](int first) {
                return linear(read, at + "gate_up_proj", 2 * d.d_mlp, d.d_model, d.mlp_bias, row_range(first, d.d_mlp));
            };
            b.gate = part(0);
            b.up = part(d.d_mlp);
        } else {
            b.gate = linear(read, at + "gate_proj", d.d_mlp, d.d_model, d.mlp_bias);
            b.up = linear(read, at + "up_proj", d.d_mlp, d.d_model, d.mlp_bias);
        }
        b.down = linear(read, at + "down_proj", d.d_model, d.d_mlp, d.mlp_bias);
    }

    template <class Block>
    static void read_experts(description const& d, auto& read, std::string const& at, Block& b) {
        bool const numbered = d.family == family::mixtral;
        b.router = linear(read, at + "gate", d.experts, d.d_model, false);
        for (int e = 0; e < d.experts; ++e) {
            std::string const one = at + "experts." + std::to_string(e) + ".";
            typename Block::expert expert;
            expert.gate = linear(read, one + (numbered ? "w1" : "gate_proj"), d.d_expert, d.d_model, false);
            expert.up = linear(read, one + (numbered ? "w3" : "up_proj"), d.d_expert, d.d_model, false);
            expert.down = linear(read, one + (numbered ? "w2" : "down_proj"), d.d_model, d.d_expert, false);
            b.experts.push_back(std::move(expert));
        }
    }
};

} // namespace engraft::families
