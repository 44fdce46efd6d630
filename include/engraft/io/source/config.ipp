#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/gguf_model.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/config_experts.ipp>
#include <engraft/io/source/config_hooked.ipp>
#include <engraft/io/source/config_layers.ipp>
#include <engraft/io/source/config_llama_like.ipp>
#include <engraft/io/source/config_object.ipp>
#include <engraft/io/source/config_rope.ipp>
#include <engraft/model/description.hpp>

namespace engraft {

namespace detail {

/// Keys that change nothing in what any family computes: what wrote the file, special tokens, how the weights were
/// made, defaults of generation, heads of other tasks, and which implementation a library prefers.
inline constexpr std::string_view without_effect[] = {
    // clang-format off
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_experts_implementation",
    "_flash_attn_2_enabled", "_name_or_path", "_num_labels", "_pre_quantization_dtype", "attn_implementation",
    "bos_token_id", "cache_implementation", "chunk_size_feed_forward", "custom_pipelines", "decoder_start_token_id",
    "dtype", "eos_token_id", "experts_implementation", "finetuning_task", "gradient_checkpointing", "id2label",
    "initializer_range", "is_decoder", "keys_to_ignore_at_inference", "label2id", "label_smoothing", "loss_type",
    "max_position_embeddings", "max_sequence_length", "model_max_length", "name_or_path", "neftune_noise_alpha",
    "num_labels", "output_attentions", "output_hidden_states", "output_past", "pad_token_id", "prefix", "problem_type",
    "return_dict", "sep_token_id", "task_specific_params", "tf_legacy_loss", "tie_encoder_decoder", "tokenizer_class",
    "torch_dtype", "torchscript", "transformers.js_config", "transformers_version", "unk_token_id", "unsloth_fixed",
    "unsloth_version", "use_bfloat16", "use_cache", "use_return_dict", "xla_device",
    // generation
    "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id",
    "length_penalty", "max_length", "max_new_tokens", "min_length", "no_repeat_ngram_size", "num_beam_groups",
    "num_beams", "num_return_sequences", "output_scores", "remove_invalid_values", "repetition_penalty",
    "return_dict_in_generate", "suppress_tokens", "temperature", "top_k", "top_p", "typical_p",
    // training
    "attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "classifier_dropout", "embd_pdrop",
    "hidden_dropout", "hidden_dropout_prob", "resid_pdrop", "summary_first_dropout", "summary_last_dropout",
    // clang-format on
};

/// `pretraining_tp` only splits matrix products; SmolLM2's configs call themselves configs of Llama.
inline constexpr std::string_view llama_without_effect[] = {"is_llama_config", "pretraining_tp"};
inline constexpr std::string_view mistral_without_effect[] = {"pretraining_tp"};
/// Both speak of a window that `use_sliding_window` switches on.
inline constexpr std::string_view qwen_without_effect[] = {"max_window_layers", "sliding_window"};
/// `n_ctx` is the size of a mask; the order and precision that `reorder_and_upcast_attn` chooses is the backend's.
inline constexpr std::string_view gpt2_without_effect[] = {
    "n_ctx",        "n_special",        "predict_special_tokens", "reorder_and_upcast_attn", "summary_activation",
    "summary_type", "summary_use_proj", "summary_proj_to_labels"};
/// `num_steps` is how long a model was trained.
inline constexpr std::string_view gpt_neox_without_effect[] = {"num_steps"};

inline description read_llama_config(config_object& config) {
    auto d = read_llama_like(config, family::llama);
    require_activation(config, "hidden_act", "silu");
    d.qkv_bias = d.out_bias = config.flag_or("attention_bias", false);
    d.mlp_bias = config.flag_or("mlp_bias", false);
    config.require_same("sliding_window", nullptr);
    require_full_attention(config, d);
    return d;
}

inline description read_mistral_config(config_object& config) {
    auto d = read_llama_like(config, family::mistral, 8);
    require_activation(config, "hidden_act", "silu");
    read_window(config, "1", d);
    return d;
}

inline description read_qwen2_config(config_object& config) {
    auto d = read_llama_like(config, family::qwen2, 32);
    require_activation(config, "hidden_act", "silu");
    d.qkv_bias = true;
    config.require_same("use_sliding_window", false);
    require_full_attention(config, d);
    return d;
}

inline description read_qwen3_config(config_object& config) {
    auto d = read_llama_like(config, family::qwen3, 32);
    require_activation(config, "hidden_act", "silu");
    d.qk_norm = true;
    d.qkv_bias = d.out_bias = config.flag_or("attention_bias", false);
    config.require_same("use_sliding_window", false);
    require_full_attention(config, d);
    return d;
}

inline description read_gemma2_config(config_object& config) {
    auto d = read_llama_like(config, family::gemma2, 4);
    require_activation(config, "hidden_activation", "gelu_pytorch_tanh");
    require_activation(config, "hidden_act", "gelu_pytorch_tanh");
    config.require_same("attention_bias", false);
    d.mlp = mlp::gated_gelu_tanh;
    d.post_norms = d.scaled_embedding = true;
    d.tied_unembedding = config.flag_or("tie_word_embeddings", true);
    d.attention_scalar = config.positive_or("query_pre_attn_scalar", 256);
    d.attention_softcap = read_softcap(config, "attn_logit_softcapping", 50);
    d.final_softcap = read_softcap(config, "final_logit_softcapping", 30);
    read_window(config, "10", d);
    config.require_same("sliding_window_size", d.window); // which transformers does not read
    return d;
}

inline description read_gpt2_config(config_object& config) {
    auto const dimension = [&](std::string_view key, std::string_view usual) {
        return config.dimension(agreed({{&config, key}, {&config, usual}}).value_or(spelling{&config, key}).key);
    };
    description d;
    d.family = family::gpt2;
    d.layers = dimension("n_layer", "num_hidden_layers");
    d.d_model = dimension("n_embd", "hidden_size");
    d.heads = d.kv_heads = dimension("n_head", "num_attention_heads");
    if (d.d_model % d.heads != 0)
        throw bad_file(config.path(), {"'n_embd' ", d.d_model, " is not a multiple of 'n_head' ", d.heads});
    d.d_head = d.d_model / d.heads;
    d.d_mlp = config.dimension_or("n_inner", 4 * d.d_model);
    d.vocab = config.dimension("vocab_size");
    d.norm = norm::layer;
    d.norm_eps = config.positive_or("layer_norm_epsilon", 1e-5);
    d.position = position::learned;
    auto const positions = agreed({{&config, "n_positions"}, {&config, "max_position_embeddings"}});
    d.positions = positions ? config.dimension(positions->key) : 1024;
    d.mlp = mlp::gelu_tanh;
    d.qkv_bias = d.out_bias = d.mlp_bias = true;
    d.tied_unembedding = config.flag_or("tie_word_embeddings", true);
    auto const act = config.text_or("activation_function", "gelu_new");
    if (act == "gelu")
        d.mlp = mlp::gelu;
    else if (act != "gelu_new" && act != "gelu_pytorch_tanh")
        config.unsupported("activation_function", "'" + printable(act) + "'",
                           "'gelu_new', 'gelu_pytorch_tanh', 'gelu'");
    config.require_same("scale_attn_by_inverse_layer_idx", false);
    config.require_same("scale_attn_weights", true);
    return d;
}

inline description read_gpt_neox_config(config_object& config) {
    description d;
    d.family = family::gpt_neox;
    d.layers = config.dimension("num_hidden_layers");
    d.d_model = config.dimension("hidden_size");
    d.heads = d.kv_heads = config.dimension("num_attention_heads");
    if (d.d_model % d.heads != 0)
        throw bad_file(config.path(),
                       {"'hidden_size' ", d.d_model, " is not a multiple of 'num_attention_heads' ", d.heads});
    d.d_head = d.d_model / d.heads;
    d.d_mlp = config.dimension("intermediate_size");
    d.vocab = config.dimension("vocab_size");
    d.norm = norm::layer;
    d.norm_eps = config.positive_or("layer_norm_eps", 1e-5);
    d.residual = config.flag_or("use_parallel_residual", true) ? residual::parallel : residual::sequential;
    d.qkv_bias = d.out_bias = config.flag_or("attention_bias", true);
    d.mlp_bias = true;
    d.tied_unembedding = config.flag_or("tie_word_embeddings", false);
    auto const act = config.text_or("hidden_act", "gelu");
    if (act == "gelu")
        d.mlp = mlp::gelu;
    else if (act == "gelu_new" || act == "gelu_fast" || act == "gelu_pytorch_tanh")
        d.mlp = mlp::gelu_tanh;
    else
        config.unsupported("hidden_act", "'" + printable(act) + "'", "'gelu', 'gelu_new', 'gelu_pytorch_tanh'");
    read_rope(config, d);
    return d;
}

/// How configs of one architecture are read. Another family is one more line in `config_families` with its function,
/// which asks for every key that changes what the model computes, and its list of keys that change nothing.
struct config_family {
    std::string_view model_type;
    std::string_view architecture;
    description (*read)(config_object& config);
    std::span<std::string_view const> without_effect;
};

inline constexpr config_family config_families[] = {
    {"llama", "LlamaForCausalLM", read_llama_config, llama_without_effect},
    {"mistral", "MistralForCausalLM", read_mistral_config, mistral_without_effect},
    {"qwen2", "Qwen2ForCausalLM", read_qwen2_config, qwen_without_effect},
    {"qwen3", "Qwen3ForCausalLM", read_qwen3_config, qwen_without_effect},
    {"gemma2", "Gemma2ForCausalLM", read_gemma2_config, {}},
    {"gpt2", "GPT2LMHeadModel", read_gpt2_config, gpt2_without_effect},
    {"gpt_neox", "GPTNeoXForCausalLM", read_gpt_neox_config, gpt_neox_without_effect},
    {"gemma3_text", "Gemma3ForCausalLM", read_gemma3_config, gemma3_without_effect},
    {"olmo2", "Olmo2ForCausalLM", read_olmo2_config, {}},
    {"phi3", "Phi3ForCausalLM", read_phi3_config, phi3_without_effect},
    {"mixtral", "MixtralForCausalLM", read_mixtral_config, mixture_without_effect},
    {"qwen3_moe", "Qwen3MoeForCausalLM", read_qwen3_moe_config, qwen3_moe_without_effect},
    {"olmoe", "OlmoeForCausalLM", read_olmoe_config, mixture_without_effect},
    {"hooked_transformer", "HookedTransformer", read_hooked_config, hooked_without_effect},
};

inline config_family const& config_family_of(config_object& config) {
    std::string known_types, known_architectures;
    for (auto const& f : config_families) {
        known_types += (known_types.empty() ? "'" : ", '") + std::string(f.model_type) + "'";
        known_architectures += (known_architectures.empty() ? "'" : ", '") + std::string(f.architecture) + "'";
    }
    auto const type = config.text_or("model_type", "");
    std::string architecture;
    if (auto const* all = config.find("architectures")) {
        auto const& names = as_array(*all, "architectures", config.path());
        if (names.size() > 1)
            config.unsupported("architectures", shown(*all), "one architecture");
        if (!names.empty())
            architecture = as_string(names[0], "architectures", config.path());
    }
    if (type.empty() && architecture.empty())
        throw bad_file(config.path(), "neither 'model_type' nor 'architectures' says what model this is");
    for (auto const& f : config_families) {
        if (!type.empty() && type != f.model_type)
            continue;
        if (!architecture.empty() && architecture != f.architecture) {
            if (type.empty())
                continue;
            config.unsupported("architectures", "'" + printable(architecture) + "'", f.architecture);
        }
        return f;
    }
    if (!type.empty())
        config.unsupported("model_type", "'" + printable(type) + "'", known_types);
    config.unsupported("architectures", "'" + printable(architecture) + "'", known_architectures);
}

/// Facts that have one value in every family. A repository may bring a model's code of its own, which is not run; a
/// tokenizer's is of no interest here.
inline void require_usual(config_object& config) {
    config.require_same("quantization_config", nullptr);
    config.require_same("is_causal", true);
    if (auto const* code = config.find("auto_map"))
        for (auto const& [kind, where] : as_object(*code, "auto_map", config.path()))
            if (kind == "AutoConfig" || kind.starts_with("AutoModel"))
                config.unsupported("auto_map", "naming code for " + printable(kind),
                                   "models without code of their own; if this one is computed by transformers with "
                                   "trust_remote_code=False too, take the key out of the file");
}

/// The names of GGUF files in a folder that has no config.json, for a message.
inline std::string gguf_files_in(std::filesystem::path const& folder) {
    std::string names;
    std::error_code failed;
    for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
        if (at->path().extension() == ".gguf")
            names += (names.empty() ? "'" : ", '") + printable(at->path().filename().string()) + "'";
    return names;
}

/// The folder's config.json. throws bad_file when there is none
inline std::filesystem::path config_in(std::filesystem::path const& folder) {
    auto const file = folder / "config.json";
    if (is_there(file))
        return file;
    auto const names = gguf_files_in(folder);
    throw bad_file(folder.string(),
                   names.empty() ? "the folder has no config.json, which a Hugging Face model has"
                                 : "the folder has no config.json, but it has GGUF files; name one of them: " + names);
}

} // namespace detail

ENGRAFT_BODY description read_config(std::filesystem::path const& path) {
    if (is_gguf(path))
        return read_config(gguf_file(path));
    std::error_code ignored;
    auto const file = std::filesystem::is_directory(path, ignored) ? detail::config_in(path) : path;
    std::string const where = file.string();
    auto const document = read_json(file, nullptr, settings_size_limit);
    if (!document.is_object())
        throw bad_file(where, "a config must be a JSON object");
    detail::config_object config(document, where);
    auto const& family = detail::config_family_of(config);
    detail::require_usual(config);
    auto d = family.read(config);
    config.pass_over(detail::without_effect);
    config.pass_over(family.without_effect);
    config.require_rest_known();
    auto const absolute = std::filesystem::absolute(file, ignored);
    d.name = short_text(std::string_view(absolute.lexically_normal().parent_path().filename().string()));
    if (auto const wrong = what_is_wrong(d); !wrong.empty())
        throw bad_file(where, std::string(wrong));
    return d;
}

} // namespace engraft
