#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>

#include <engraft/io/gguf_model.hpp>

namespace engraft {

namespace detail {

using gguf_names = std::pair<std::string_view, std::string_view>;

// Names without ".weight" or ".bias"; those of a block without their beginning.
inline constexpr gguf_names llama_outside[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
inline constexpr gguf_names llama_inside[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};
// First in line for Gemma 2 and 3, then Llama's.
inline constexpr gguf_names gemma2_inside[] = {{"post_attention_norm", "post_attention_layernorm"},
                                               {"ffn_norm", "pre_feedforward_layernorm"},
                                               {"post_ffw_norm", "post_feedforward_layernorm"}};
inline constexpr gguf_names gpt2_outside[] = {
    {"token_embd", "wte"}, {"position_embd", "wpe"}, {"output_norm", "ln_f"}, {"output", "lm_head"}};
inline constexpr gguf_names gpt2_inside[] = {{"attn_norm", "ln_1"},          {"attn_qkv", "attn.c_attn"},
                                             {"attn_output", "attn.c_proj"}, {"ffn_norm", "ln_2"},
                                             {"ffn_up", "mlp.c_fc"},         {"ffn_down", "mlp.c_proj"}};
inline constexpr gguf_names gpt_neox_outside[] = {
    {"token_embd", "gpt_neox.embed_in"}, {"output_norm", "gpt_neox.final_layer_norm"}, {"output", "embed_out"}};
inline constexpr gguf_names gpt_neox_inside[] = {
    {"attn_norm", "input_layernorm"},   {"attn_qkv", "attention.query_key_value"},
    {"attn_output", "attention.dense"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.dense_h_to_4h"},    {"ffn_down", "mlp.dense_4h_to_h"}};

/// A tensor's name in parts: "blk.", the layer, a dot; the map; ".weight" or ".bias".
struct gguf_name_parts {
    std::string_view layer, map, kind;
};

inline gguf_name_parts name_parts(std::string_view name) {
    gguf_name_parts parts;
    if (name.starts_with("blk.")) {
        auto const dot = name.find('.', 4);
        if (dot != name.npos && dot > 4 && name.substr(4, dot - 4).find_first_not_of("0123456789") == name.npos) {
            parts.layer = name.substr(4, dot - 4);
            name.remove_prefix(dot + 1);
        }
    }
    for (std::string_view const kind : {".weight", ".bias"})
        if (name.ends_with(kind)) {
            parts.map = name.substr(0, name.size() - kind.size());
            parts.kind = kind;
        }
    return parts;
}

/// The tensor's name in the family, or nothing where the family has none.
inline std::string family_name(gguf_name_parts const& parts, family f) {
    auto const among = [&](std::span<gguf_names const> names) {
        for (auto const& [from, to] : names)
            if (from == parts.map)
                return to;
        return std::string_view();
    };
    bool const inside = !parts.layer.empty();
    std::string_view name;
    std::string begin;
    if (f == family::gpt2) {
        begin = "h.";
        name = inside ? among(gpt2_inside) : among(gpt2_outside);
    } else if (f == family::gpt_neox) {
        begin = "gpt_neox.layers.";
        name = inside ? among(gpt_neox_inside) : among(gpt_neox_outside);
    } else {
        begin = "model.layers.";
        if ((f == family::gemma2 || f == family::gemma3) && inside)
            name = among(gemma2_inside);
        if (name.empty())
            name = inside ? among(llama_inside) : among(llama_outside);
    }
    if (name.empty())
        return {};
    return (inside ? begin + std::string(parts.layer) + "." : "") + std::string(name) + std::string(parts.kind);
}

/// llama.cpp turns neighbouring elements of a head, Llama's checkpoints element i with element i + d_head / 2.
inline std::vector<std::uint32_t> rows_of_halves(int heads, int d_head) {
    std::vector<std::uint32_t> rows;
    for (int head = 0; head < heads; ++head)
        for (int half = 0; half < 2; ++half)
            for (int i = 0; i < d_head / 2; ++i)
                rows.push_back(static_cast<std::uint32_t>(head * d_head + 2 * i + half));
    return rows;
}

/// All queries, then all keys, then all values in the file; those of one head together in GPT-NeoX.
inline std::vector<std::uint32_t> rows_of_heads(int heads, int d_head) {
    std::vector<std::uint32_t> rows;
    for (int head = 0; head < heads; ++head)
        for (int which = 0; which < 3; ++which)
            for (int i = 0; i < d_head; ++i)
                rows.push_back(static_cast<std::uint32_t>((which * heads + head) * d_head + i));
    return rows;
}

} // namespace detail

ENGRAFT_BODY std::map<std::string, arranged_tensor, std::less<>> family_tensors(gguf_file const& file,
                                                                                description const& d) {
    std::map<std::string, arranged_tensor, std::less<>> tensors;
    bool const llama = d.family == family::llama || d.family == family::mistral;
    for (auto const& [name, stored] : file.tensors()) {
        if (name == "rope_freqs.weight" && d.rope_scaling == rope_scaling::llama3)
            continue; // it became part of the description
        auto const parts = detail::name_parts(name);
        arranged_tensor tensor{.stored = &stored};
        // A shape that does not fit is the reader's to refuse, who says what it must be. The metadata alone may name
        // more rows than memory holds.
        auto const has_rows = [&d, &shape = stored.shape](int heads) {
            auto const rows = static_cast<std::size_t>(heads) * static_cast<std::size_t>(d.d_head);
            return !shape.empty() && shape[0] == rows && rows <= std::numeric_limits<int>::max();
        };
        if (int const heads = parts.map == "attn_q" ? d.heads : d.kv_heads;
            llama && !parts.layer.empty() && (parts.map == "attn_q" || parts.map == "attn_k") && has_rows(heads) &&
            d.d_head % 2 == 0)
            tensor.rows = detail::rows_of_halves(heads, d.d_head);
        if (d.family == family::gpt_neox && parts.map == "attn_qkv" && has_rows(3 * d.heads))
            tensor.rows = detail::rows_of_heads(d.heads, d.d_head);
        tensor.transposed = d.family == family::gpt2 && !parts.layer.empty() && stored.shape.size() == 2;
        tensor.one_added = (d.family == family::gemma2 || d.family == family::gemma3) && name.ends_with("norm.weight");
        auto known = detail::family_name(parts, d.family);
        if (known.empty() || tensors.contains(known))
            known = name;
        tensors.emplace(std::move(known), std::move(tensor));
    }
    return tensors;
}

} // namespace engraft
