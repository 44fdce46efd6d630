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
#include <engraft/io/source/config_object.ipp>
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

/// The kind of rotary embedding and its numbers.
inline void read_rope_type(config_object& rope, description& d) {
    auto const named = agreed({{&rope, "rope_type"}, {&rope, "type"}});
    auto const type = named ? rope.text_or(named->key, "") : "default";
    if (type == "default") {
        rope.pass_over(std::array{std::string_view("original_max_position_embeddings")});
        return;
    }
    if (type != "llama3")
        rope.unsupported(named->key, "'" + printable(type) + "'", "'default', 'llama3'");
    d.rope_scaling = rope_scaling::llama3;
    d.rope_factor = rope.positive("factor");
    d.rope_low_freq_factor = rope.positive("low_freq_factor");
    d.rope_high_freq_factor = rope.positive("high_freq_factor");
    d.rope_original_context = rope.dimension("original_max_position_embeddings");
    if (d.rope_high_freq_factor <= d.rope_low_freq_factor)
        throw bad_file(rope.path(), "'high_freq_factor' must be larger than 'low_freq_factor'");
}

/// How much of each head is rotated. Only GPT-NeoX rotates part of a head; for all other families transformers rotates
/// whole heads, whatever a config says.
inline void read_rotated_share(config_object& config, config_object& rope, description& d) {
    bool const neox = d.family == family::gpt_neox;
    auto const named =
        neox ? agreed({{&config, "rotary_pct"}, {&config, "partial_rotary_factor"}, {&rope, "partial_rotary_factor"}})
             : agreed({{&config, "partial_rotary_factor"}, {&rope, "partial_rotary_factor"}});
    double const share = named ? named->object->positive(named->key) : neox ? 0.25 : 1;
    if (!neox && share != 1)
        named->object->unsupported(named->key, number_text(share), "1, since models of this kind rotate whole heads");
    if (share > 1)
        throw bad_file(named->object->path(), {"the rotated share of a head, ", named->object->spelled(named->key),
                                               ", must be at most 1, but is ", number_text(share)});
    if (share != 1)
        d.d_rotary = static_cast<int>(d.d_head * share);
}

/// Rotary embedding, old style (`rope_theta` and `rope_scaling` at the top) or new style (both in `rope_parameters`).
inline void read_rope(config_object& config, description& d) {
    auto const none = nlohmann::json::object();
    auto const named = agreed({{&config, "rope_parameters"}, {&config, "rope_scaling"}});
    std::string const name(named ? named->key : "");
    config_object rope(named ? config.require(name) : none, config.file(), name);
    for (std::string const layers : {"full_attention", "sliding_attention"})
        if (rope.has(layers)) // null too, which would leave such layers without rotary embedding
            rope.unsupported(layers, "set for its layers alone", "one set of numbers for all layers");

    d.position = position::rope;
    auto const theta = d.family == family::gpt_neox
                           ? agreed({{&config, "rotary_emb_base"}, {&config, "rope_theta"}, {&rope, "rope_theta"}})
                           : agreed({{&config, "rope_theta"}, {&rope, "rope_theta"}});
    d.rope_theta = theta ? theta->object->positive(theta->key) : 10000;
    read_rotated_share(config, rope, d);
    read_rope_type(rope, d);
    rope.require_rest_known();
}

/// What `layer_types` says of each layer: whether it has the sliding window. None without that list.
inline std::vector<bool> read_layer_types(config_object& config, int layers) {
    std::vector<bool> slides;
    auto const* types = config.find("layer_types");
    if (!types)
        return slides;
    for (auto const& type : as_array(*types, "layer_types", config.path())) {
        auto const& name = as_string(type, "layer_types", config.path());
        if (name != "full_attention" && name != "sliding_attention")
            config.unsupported("layer_types", shown(type), "'full_attention', 'sliding_attention'");
        slides.push_back(name == "sliding_attention");
    }
    if (slides.size() != static_cast<std::size_t>(layers))
        throw bad_file(config.path(), {"'layer_types' has ", slides.size(), " entries for ", layers, " layers"});
    return slides;
}

/// Which layers have the sliding window, from `layer_types` where it stands: all of them, or 0, n, 2n, ...
/// Without that list the window is of every `otherwise`-th layer.
/// The window is 4096 where a config has no such key, and off where it is null.
inline void read_window(config_object& config, int otherwise, description& d) {
    auto const slides = read_layer_types(config, d.layers);
    bool const window = !config.has("sliding_window") || config.find("sliding_window");
    bool const none = slides.empty() ? !window : std::find(slides.begin(), slides.end(), true) == slides.end();
    if (none)
        return;
    if (!window)
        throw bad_file(config.path(), "'layer_types' names sliding_attention, but there is no 'sliding_window'");
    d.window = config.dimension_or("sliding_window", 4096);
    d.window_every = otherwise;
    if (slides.empty())
        return;
    auto const second = std::find(slides.begin() + 1, slides.end(), true);
    d.window_every = second == slides.end() ? d.layers : static_cast<int>(second - slides.begin());
    for (int layer = 0; layer < d.layers; ++layer)
        if (slides[static_cast<std::size_t>(layer)] != (layer % d.window_every == 0))
            config.unsupported("layer_types", "another order",
                               "sliding_attention in every layer or in every n-th from 0");
}

/// Of families that know no window, a list of layers may say only that.
inline void require_full_attention(config_object& config, description const& d) {
    auto const slides = read_layer_types(config, d.layers);
    if (std::find(slides.begin(), slides.end(), true) != slides.end())
        config.unsupported("layer_types", "\"sliding_attention\"", "'full_attention'");
}

/// What Llama and the families after its pattern share. `kv_heads` is for configs that do not name them; 0 means as
/// many as query heads.
inline description read_llama_like(config_object& config, family f, int kv_heads = 0) {
    description d;
    d.family = f;
    d.layers = config.dimension("num_hidden_layers");
    d.d_model = config.dimension("hidden_size");
    d.heads = config.dimension("num_attention_heads");
    d.kv_heads = kv_heads > 0 && !config.has("num_key_value_heads")
                     ? kv_heads
                     : config.dimension_or("num_key_value_heads", d.heads);
    if (config.find("head_dim"))
        d.d_head = config.dimension("head_dim");
    else if (f == family::qwen3 || f == family::gemma2)
        d.d_head = f == family::qwen3 ? 128 : 256;
    else if (d.d_model % d.heads == 0)
        d.d_head = d.d_model / d.heads;
    else
        throw bad_file(config.path(), {"'head_dim' is missing, and 'hidden_size' ", d.d_model,
                                       " is not a multiple of 'num_attention_heads' ", d.heads});
    d.d_mlp = config.dimension("intermediate_size");
    d.vocab = config.dimension("vocab_size");
    d.norm_eps = config.positive_or("rms_norm_eps", 1e-6);
    d.tied_unembedding = config.flag_or("tie_word_embeddings", false);
    read_rope(config, d);
    return d;
}

inline void require_activation(config_object& config, std::string_view key, std::string_view supported) {
    if (auto const act = config.text_or(key, std::string(supported)); act != supported)
        config.unsupported(key, "'" + printable(act) + "'", "'" + std::string(supported) + "'");
}

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
    read_window(config, 1, d);
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
    auto const softcap = [&](std::string_view key, double otherwise) {
        return config.has(key) && !config.find(key) ? 0 : config.positive_or(key, otherwise);
    };
    d.attention_softcap = softcap("attn_logit_softcapping", 50);
    d.final_softcap = softcap("final_logit_softcapping", 30);
    read_window(config, 2, d);
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
