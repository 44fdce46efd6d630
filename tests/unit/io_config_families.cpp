#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/json.hpp>
#include <engraft/model/rotary.hpp>

#include "../catch.hpp"
#include "../temporary_folder.hpp"

namespace {

using namespace engraft;
using Catch::Matchers::ContainsSubstring;

/// A config of each kind, as checkpoints are published.
std::map<std::string, std::string> const configs{
    {"gemma3_text", R"({"architectures": ["Gemma3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "attn_logit_softcapping": null, "bos_token_id": 2, "eos_token_id": [1, 106], "final_logit_softcapping": null,
        "head_dim": 10, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 44, "max_position_embeddings": 128, "model_type": "gemma3_text", "num_attention_heads": 4,
        "num_hidden_layers": 7, "num_key_value_heads": 2, "pad_token_id": 0, "query_pre_attn_scalar": 14,
        "rms_norm_eps": 1e-06, "rope_local_base_freq": 300.0, "rope_scaling": null, "rope_theta": 100000.0,
        "sliding_window": 7, "sliding_window_pattern": 3, "torch_dtype": "float32",
        "use_bidirectional_attention": false, "use_cache": true, "vocab_size": 61})"},
    {"olmo2", R"({"architectures": ["Olmo2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 48,
        "max_position_embeddings": 128, "model_type": "olmo2", "num_attention_heads": 4, "num_hidden_layers": 3,
        "num_key_value_heads": 4, "pad_token_id": 0, "rms_norm_eps": 1e-06, "rope_scaling": null,
        "rope_theta": 500000.0, "tie_word_embeddings": false, "torch_dtype": "float32", "use_cache": true,
        "vocab_size": 59})"},
    {"phi3", R"({"architectures": ["Phi3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "auto_map": {}, "bos_token_id": 1, "embd_pdrop": 0.0, "eos_token_id": 2, "hidden_act": "silu",
        "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 40, "max_position_embeddings": 64,
        "model_type": "phi3", "num_attention_heads": 4, "num_hidden_layers": 3, "num_key_value_heads": 2,
        "original_max_position_embeddings": 64, "pad_token_id": 0, "partial_rotary_factor": 0.75, "resid_pdrop": 0.0,
        "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0, "sliding_window": 9,
        "tie_word_embeddings": false, "torch_dtype": "float32", "use_cache": true, "vocab_size": 63})"},
    {"mixtral", R"({"architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1,
        "eos_token_id": 2, "head_dim": 6, "hidden_act": "silu", "hidden_size": 24, "initializer_range": 0.02,
        "intermediate_size": 28, "max_position_embeddings": 128, "model_type": "mixtral", "num_attention_heads": 4,
        "num_experts_per_tok": 2, "num_hidden_layers": 3, "num_key_value_heads": 2, "num_local_experts": 4,
        "output_router_logits": true, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "router_aux_loss_coef": 0.001,
        "router_jitter_noise": 0.1, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "float32",
        "vocab_size": 53})"},
    {"qwen3_moe", R"({"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 1, "decoder_sparse_step": 1, "eos_token_id": 2, "head_dim": 8, "hidden_act": "silu",
        "hidden_size": 24, "initializer_range": 0.02, "intermediate_size": 36, "max_position_embeddings": 128,
        "max_window_layers": 28, "mlp_only_layers": [], "model_type": "qwen3_moe", "moe_intermediate_size": 12,
        "norm_topk_prob": true, "num_attention_heads": 4, "num_experts": 6, "num_experts_per_tok": 2,
        "num_hidden_layers": 6, "num_key_value_heads": 2, "output_router_logits": false, "rms_norm_eps": 1e-06,
        "rope_scaling": null, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": 4096,
        "tie_word_embeddings": false, "torch_dtype": "float32", "use_cache": true, "use_sliding_window": false,
        "vocab_size": 57})"},
    {"olmoe", R"({"architectures": ["OlmoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "clip_qkv": null, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 24, "initializer_range": 0.02,
        "intermediate_size": 16, "max_position_embeddings": 128, "model_type": "olmoe", "norm_topk_prob": false,
        "num_attention_heads": 4, "num_experts": 6, "num_experts_per_tok": 3, "num_hidden_layers": 3,
        "num_key_value_heads": 4, "output_router_logits": false, "pad_token_id": 0, "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0, "router_aux_loss_coef": 0.01, "tie_word_embeddings": false, "torch_dtype": "float32",
        "use_cache": true, "vocab_size": 55})"},
    {"hooked", R"({"model_type": "hooked_transformer", "n_layers": 2, "d_model": 28, "n_ctx": 6, "d_head": 7,
        "n_heads": 4, "d_mlp": 12, "attn_only": false, "act_fn": "relu", "d_vocab": 8, "d_vocab_out": 6,
        "normalization_type": null, "eps": 1e-05, "positional_embedding_type": "standard",
        "attention_dir": "bidirectional", "use_attn_scale": true, "attn_scale": 2.6457513110645907,
        "pad_token": 7})"},
};

struct config_file {
    temporary_folder folder;

    /// A config with some keys changed; null takes one away.
    description read(std::string const& name, std::string const& change = "{}") const {
        auto config = parse_json(configs.at(name), name);
        config.merge_patch(parse_json(change, name));
        auto d = read_config(folder.write("config.json", config.dump()));
        d.name = short_text(std::string_view(name));
        return d;
    }
    /// The same where a key becomes null, which transformers reads otherwise than one that is missing.
    description read_null(std::string const& name, std::string const& key) const {
        auto config = parse_json(configs.at(name), name);
        config[key] = nullptr;
        return read_config(folder.write("config.json", config.dump()));
    }
};

} // namespace

TEST_CASE("configs of further families become descriptions", "[io][config]") {
    config_file const file;
    CHECK(file.read("gemma3_text") == description{.name = "gemma3_text",
                                                  .family = family::gemma3,
                                                  .layers = 7,
                                                  .d_model = 32,
                                                  .heads = 4,
                                                  .kv_heads = 2,
                                                  .d_head = 10,
                                                  .d_mlp = 44,
                                                  .vocab = 61,
                                                  .norm_eps = 1e-6,
                                                  .qk_norm = true,
                                                  .post_norms = true,
                                                  .rope_theta = 100000,
                                                  .window_rope_theta = 300,
                                                  .window = 7,
                                                  .window_layers = "110",
                                                  .attention_scalar = 14,
                                                  .scaled_embedding = true,
                                                  .mlp = mlp::gated_gelu_tanh,
                                                  .tied_unembedding = true});
    CHECK(file.read("olmo2") == description{.name = "olmo2",
                                            .family = family::olmo2,
                                            .layers = 3,
                                            .d_model = 32,
                                            .heads = 4,
                                            .kv_heads = 4,
                                            .d_head = 8,
                                            .d_mlp = 48,
                                            .vocab = 59,
                                            .norm_eps = 1e-6,
                                            .qk_norm = true,
                                            .qk_norm_wide = true,
                                            .pre_norms = false,
                                            .post_norms = true,
                                            .rope_theta = 500000});
    CHECK(file.read("phi3") == description{.name = "phi3",
                                           .family = family::phi3,
                                           .layers = 3,
                                           .d_model = 32,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .d_head = 8,
                                           .d_mlp = 40,
                                           .vocab = 63,
                                           .norm_eps = 1e-5,
                                           .d_rotary = 6,
                                           .window = 9});
    CHECK(file.read("mixtral") == description{.name = "mixtral",
                                              .family = family::mixtral,
                                              .layers = 3,
                                              .d_model = 24,
                                              .heads = 4,
                                              .kv_heads = 2,
                                              .d_head = 6,
                                              .vocab = 53,
                                              .norm_eps = 1e-5,
                                              .rope_theta = 500000,
                                              .experts = 4,
                                              .experts_per_token = 2,
                                              .d_expert = 28,
                                              .normalized_experts = true});
    CHECK(file.read("qwen3_moe") == description{.name = "qwen3_moe",
                                                .family = family::qwen3_moe,
                                                .layers = 6,
                                                .d_model = 24,
                                                .heads = 4,
                                                .kv_heads = 2,
                                                .d_head = 8,
                                                .vocab = 57,
                                                .norm_eps = 1e-6,
                                                .qk_norm = true,
                                                .rope_theta = 1000000,
                                                .experts = 6,
                                                .experts_per_token = 2,
                                                .d_expert = 12,
                                                .normalized_experts = true});
    CHECK(file.read("olmoe") == description{.name = "olmoe",
                                            .family = family::olmoe,
                                            .layers = 3,
                                            .d_model = 24,
                                            .heads = 4,
                                            .kv_heads = 4,
                                            .d_head = 6,
                                            .vocab = 55,
                                            .norm_eps = 1e-5,
                                            .qk_norm = true,
                                            .qk_norm_wide = true,
                                            .experts = 6,
                                            .experts_per_token = 3,
                                            .d_expert = 16});
    CHECK(file.read("hooked") == description{.name = "hooked",
                                             .family = family::hooked_transformer,
                                             .layers = 2,
                                             .d_model = 28,
                                             .heads = 4,
                                             .kv_heads = 4,
                                             .d_head = 7,
                                             .d_mlp = 12,
                                             .vocab = 8,
                                             .vocab_out = 6,
                                             .norm = norm::none,
                                             .norm_eps = 1e-5,
                                             .position = position::learned,
                                             .positions = 6,
                                             .bidirectional = true,
                                             .pad_token = 7,
                                             .mlp = mlp::relu,
                                             .qkv_bias = true,
                                             .out_bias = true,
                                             .mlp_bias = true,
                                             .unembedding_bias = true});
}

TEST_CASE("as transformers 5 writes them, configs of further families say the same", "[io][config]") {
    config_file const file;
    CHECK(file.read("gemma3_text", R"({"rope_theta": null, "rope_local_base_freq": null, "sliding_window_pattern": null,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention",
                        "sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {"full_attention": {"rope_theta": 100000.0, "rope_type": "default"},
                            "sliding_attention": {"rope_theta": 300.0, "rope_type": "default"}}})") ==
          file.read("gemma3_text"));
    CHECK(file.read("phi3", R"({"partial_rotary_factor": null, "rope_theta": null, "rope_parameters":
        {"rope_theta": 10000.0, "partial_rotary_factor": 0.75, "rope_type": "default"}})") == file.read("phi3"));
    CHECK(file.read("qwen3_moe", R"({"num_experts": null, "num_local_experts": 6})") == file.read("qwen3_moe"));
    CHECK(file.read("mixtral", R"({"rope_theta": null, "rope_parameters": {"rope_theta": 500000.0}})") ==
          file.read("mixtral"));
}

TEST_CASE("keys of further families that are missing have their defaults", "[io][config]") {
    config_file const file;
    CHECK(file.read("gemma3_text", R"({"sliding_window_pattern": null})").window_layers == "111110");
    CHECK(file.read("gemma3_text", R"({"sliding_window_pattern": 1})").window == 0);
    CHECK(file.read("gemma3_text", R"({"sliding_window": null})").window == 4096);
    CHECK(file.read("gemma3_text", R"({"rope_theta": null})").rope_theta == 1000000);
    CHECK(file.read("gemma3_text", R"({"rope_local_base_freq": null})").window_rope_theta == 10000);
    CHECK(file.read("gemma3_text", R"({"final_logit_softcapping": 30.0})").final_softcap == 30);
    CHECK(file.read("gemma3_text", R"({"query_pre_attn_scalar": null, "head_dim": null})").d_head == 256);
    CHECK(file.read("olmo2", R"({"rms_norm_eps": null})").norm_eps == 1e-5);
    CHECK(file.read("olmo2", R"({"attention_bias": true})").out_bias);
    CHECK(file.read("phi3", R"({"num_key_value_heads": null})").kv_heads == 4);
    CHECK(file.read("phi3", R"({"sliding_window": null})").window == 0);
    CHECK(file.read_null("mixtral", "head_dim").d_head == 6);
    CHECK(file.read("mixtral", R"({"sliding_window": 8})").window == 8);
    CHECK(file.read("mixtral", R"({"rope_theta": null})").rope_theta == 1000000);
    CHECK(file.read("mixtral", R"({"num_local_experts": null, "num_experts_per_tok": null})").experts == 8);
    CHECK(file.read("qwen3_moe", R"({"head_dim": null})").d_head == 6);
    CHECK(file.read("qwen3_moe", R"({"num_experts": null, "num_experts_per_tok": null})").experts == 128);
    CHECK_FALSE(file.read("qwen3_moe", R"({"norm_topk_prob": null})").normalized_experts);
    CHECK(file.read("olmoe", R"({"num_experts": null, "num_experts_per_tok": null})").experts_per_token == 8);

    // Layers with a plain MLP among those with experts.
    auto const mixed = file.read("qwen3_moe", R"({"decoder_sparse_step": 2, "mlp_only_layers": [3]})");
    CHECK(mixed.expert_layers == "0100");
    CHECK(mixed.d_mlp == 36);
    CHECK((has_plain_mlp(mixed, 3) && has_experts(mixed, 5)));
    CHECK(file.read("qwen3_moe", R"({"decoder_sparse_step": 3})").expert_layers == "001");
    auto const plain = file.read("qwen3_moe", R"({"mlp_only_layers": [0, 1, 2, 3, 4, 5]})");
    CHECK((plain.experts == 0 && plain.d_expert == 0 && plain.d_mlp == 36));
}

TEST_CASE("fields of HookedTransformer become fields of descriptions", "[io][config]") {
    config_file const file;
    auto const with = [&](std::string const& change) { return file.read("hooked", change); };
    auto const without = with(R"({"attn_only": true, "act_fn": null, "d_mlp": null})");
    CHECK((without.mlp == mlp::none && without.d_mlp == 0 && !without.mlp_bias));
    CHECK(with(R"({"d_mlp": null})").d_mlp == 112);
    CHECK(with(R"({"act_fn": "gelu_new"})").mlp == mlp::gelu_tanh);
    CHECK(with(R"({"act_fn": "gelu"})").mlp == mlp::gelu);
    CHECK(with(R"({"normalization_type": "LN"})").norm == norm::layer);
    auto const centred = with(R"({"normalization_type": "LNPre"})");
    CHECK((centred.norm == norm::layer && !centred.norm_gain));
    auto const scaled = with(R"({"normalization_type": "RMSPre"})");
    CHECK((scaled.norm == norm::rms && !scaled.norm_gain));
    CHECK(with(R"({"use_attn_scale": false})").attention_scalar == 1);
    CHECK(with(R"({"attn_scale": -1.0})").attention_scalar == 0);
    CHECK(std::sqrt(with(R"({"attn_scale": 3.5})").attention_scalar) == 3.5);
    CHECK(with(R"({"attn_scores_soft_cap": 50.0, "output_logits_soft_cap": -1.0})").attention_softcap == 50);
    CHECK(with(R"({"d_vocab_out": -1})").vocab_out == 0);
    CHECK(with(R"({"n_heads": null})").heads == 4);
    auto const causal = with(R"({"attention_dir": "causal", "pad_token": null})");
    CHECK((!causal.bidirectional && causal.pad_token == -1));
    auto const local = with(R"({"attention_dir": "causal", "use_local_attn": true, "window_size": 3,
                                "attn_types": ["global", "local"]})");
    CHECK((local.window == 3 && local.window_layers == "01"));
    auto const turned = with(R"({"positional_embedding_type": "rotary", "rotary_dim": 6, "rotary_base": 500})");
    CHECK((turned.position == position::rope && turned.d_rotary == 6 && turned.rope_theta == 500));
    CHECK(with(R"({"seed": 3, "device": "cpu", "init_weights": true, "dtype": "float32", "initializer_range": 0.1,
                   "use_attn_result": true, "n_params": 9000, "parallel_attn_mlp": false, "gated_mlp": false})") ==
          file.read("hooked"));
}

TEST_CASE("what configs of further families may not say is refused by name", "[io][config]") {
    config_file const file;
    struct refusal {
        std::string name, change, why;
    };
    std::vector<refusal> const refused{
        {"gemma3_text", R"({"use_bidirectional_attention": true})", "'use_bidirectional_attention' is true"},
        {"gemma3_text", R"({"rope_scaling": {"rope_type": "yarn", "factor": 2}})", "supported: 'default', 'linear'"},
        {"gemma3_text", R"({"rope_parameters": {"rope_type": "default", "rope_theta": 3}})", "'rope_theta' is 3"},
        {"gemma3_text", R"({"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2}}})",
         "rope_parameters.sliding_attention: unsupported: 'rope_type' is \"linear\""},
        {"gemma3_text", R"({"rope_parameters": {"sliding_attention": {"rope_theta": 5}}})",
         "'rope_local_base_freq' is 300 and 'rope_parameters.sliding_attention.rope_theta' is 5"},
        {"gemma3_text", R"({"rope_scaling": {"rope_type": "default"}, "rope_parameters": {"full_attention": {}}})",
         "both name the rotary embedding of layers without a window"},
        {"gemma3_text", R"({"hidden_activation": "silu"})", "'hidden_activation' is 'silu'"},
        {"olmo2", R"({"clip_qkv": 8.0})", "'clip_qkv' is 8"},
        {"phi3", R"({"rope_scaling": {"type": "longrope", "long_factor": [1], "short_factor": [1]}})",
         "'type' is 'longrope'; supported: 'default'"},
        {"phi3", R"({"rope_scaling": {"type": "yarn", "factor": 2}})", "'type' is 'yarn'; supported: 'default'"},
        {"phi3", R"({"partial_rotary_factor": 0.4})", "rotary embedding needs an even number"},
        {"mixtral", R"({"num_experts_per_tok": 5})", "not more experts chosen than there are"},
        {"mixtral", R"({"num_local_experts": 4, "num_experts": 3})", "both name the same fact"},
        {"qwen3_moe", R"({"use_sliding_window": true})", "'use_sliding_window' is true"},
        {"qwen3_moe", R"({"mlp_only_layers": [6]})", "'mlp_only_layers' must be a whole number from 0 to 5"},
        {"qwen3_moe", R"({"shared_expert_intermediate_size": 8})", "'shared_expert_intermediate_size' is 8"},
        {"olmoe", R"({"clip_qkv": 8.0})", "'clip_qkv' is 8"},
        {"hooked", R"({"positional_embedding_type": "shortformer"})", "'positional_embedding_type' is 'shortformer'"},
        {"hooked", R"({"positional_embedding_type": "alibi"})", "'positional_embedding_type' is 'alibi'"},
        {"hooked", R"({"parallel_attn_mlp": true})", "'parallel_attn_mlp' is true"},
        {"hooked", R"({"gated_mlp": true})", "'gated_mlp' is true"},
        {"hooked", R"({"act_fn": "solu_ln"})", "'act_fn' is 'solu_ln'"},
        {"hooked", R"({"act_fn": null})", "'act_fn' is null"},
        {"hooked", R"({"normalization_type": "SoftmaxLN"})", "'normalization_type' is 'SoftmaxLN'"},
        {"hooked", R"({"attention_dir": "left"})", "'attention_dir' is 'left'"},
        {"hooked", R"({"n_key_value_heads": 2})", "'n_key_value_heads' is 2"},
        {"hooked", R"({"pad_token": 8})", "'pad_token' must be a whole number from 0 to 7"},
        {"hooked", R"({"scale_attn_by_inverse_layer_idx": true})", "'scale_attn_by_inverse_layer_idx' is true"},
        {"hooked", R"({"post_embedding_ln": true})", "'post_embedding_ln' is true"},
        {"hooked", R"({"num_experts": 4})", "'num_experts' is 4"},
        {"hooked", R"({"use_local_attn": true, "window_size": 3, "attn_types": ["local", "local"]})",
         "attention in both directions has none"},
        {"hooked", R"({"use_local_attn": true, "window_size": 3, "attn_types": ["local"]})",
         "'attn_types' has 1 entries for 2 layers"},
        {"hooked", R"({"positional_embedding_type": "rotary", "rotary_adjacent_pairs": true})",
         "'rotary_adjacent_pairs' is true"},
    };
    for (auto const& [name, change, why] : refused) {
        INFO(name << ": " << change);
        CHECK_THROWS_AS(file.read(name, change), engraft::bad_file);
        CHECK_THROWS_WITH(file.read(name, change), ContainsSubstring("config.json") && ContainsSubstring(why));
    }
}

TEST_CASE("layers of two kinds in any order are a pattern", "[io][config]") {
    config_file const file;
    std::string types;
    for (int layer = 0; layer < 7; ++layer)
        types +=
            std::string(layer > 0 ? ", " : "") + (layer == 1 || layer == 5 ? "\"full" : "\"sliding") + "_attention\"";
    auto const d = file.read("gemma3_text", "{\"layer_types\": [" + types + "]}");
    CHECK(d.window_layers == "1011");
    CHECK((has_window(d, 0) && !has_window(d, 1) && !has_window(d, 5)));

    std::string of_many; // no part of it repeats
    for (int layer = 0; layer < 140; ++layer)
        of_many += std::string(layer > 0 ? ", " : "") + (layer == 139 ? "\"full" : "\"sliding") + "_attention\"";
    CHECK_THROWS_WITH(
        file.read("gemma3_text", "{\"num_hidden_layers\": 140, \"layer_types\": [" + of_many + "]}"),
        ContainsSubstring("'layer_types' is of 140 layers in no order that repeats; supported: any order of at most "
                          "128 layers"));
}

TEST_CASE("fields of a description that do not fit together are said", "[model]") {
    description const fits{.layers = 4, .d_model = 8, .heads = 2, .kv_heads = 2, .d_head = 4, .d_mlp = 8, .vocab = 9};
    auto const wrong = [&](auto change, std::string const& why) {
        auto d = fits;
        change(d);
        CHECK_THAT(std::string(what_is_wrong(d)), ContainsSubstring(why));
    };
    wrong([](auto& d) { d.d_mlp = 0; }, "d_mlp must be positive");
    wrong([](auto& d) { d.mlp = mlp::none; }, "d_mlp must be 0");
    wrong([](auto& d) { d.experts = 2, d.experts_per_token = 1, d.d_expert = 4; }, "d_mlp must be 0");
    wrong([](auto& d) { d.experts_per_token = 1; }, "need the number of experts");
    wrong([](auto& d) { d.experts = 2, d.d_expert = 4, d.d_mlp = 0; }, "must be positive, and not more");
    wrong([](auto& d) { d.experts = 2, d.experts_per_token = 1, d.d_expert = 4, d.d_mlp = 0, d.mlp = mlp::relu; },
          "experts must be gated");
    wrong([](auto& d) { d.mlp = mlp::none, d.d_mlp = 0, d.residual = residual::parallel; }, "parallel to attention");
    wrong([](auto& d) { d.window_layers = ""; }, "made of 0 and 1");
    wrong([](auto& d) { d.expert_layers = "12"; }, "made of 0 and 1");
    wrong([](auto& d) { d.vocab_out = 5, d.tied_unembedding = true; }, "with a tied unembedding it is vocab");
    wrong([](auto& d) { d.pad_token = 9; }, "pad_token must be a token");
    wrong([](auto& d) { d.window = 2, d.bidirectional = true; }, "has none");
    wrong([](auto& d) { d.qk_norm_wide = true; }, "qk_norm_wide needs qk_norm");
    wrong([](auto& d) { d.norm = norm::none, d.post_norms = true; }, "a model without norms");
    wrong([](auto& d) { d.pre_norms = false; }, "norms stand before");
    wrong([](auto& d) { d.rope_scaling = rope_scaling::yarn; }, "yarn needs");
    wrong([](auto& d) { d.rope_scaling = rope_scaling::linear, d.rope_factor = 0; }, "rope_factor must be positive");
    wrong([](auto& d) { d.window_rope_theta = 5; }, "needs a window");
    wrong([](auto& d) { d.rope_attention_factor = -1; }, "must not be negative");
}

// Numbers of transformers 5.24, `_compute_linear_scaling_rope_parameters` and `_compute_yarn_parameters`.
TEST_CASE("rotary frequencies are scaled as transformers scales them", "[model][config]") {
    config_file const file;
    auto const check = [&](std::string const& scaling, std::vector<double> const& expected, double factor) {
        INFO(scaling);
        auto const d = file.read("olmo2", "{\"hidden_size\": 64, \"rope_theta\": 1000.0, "
                                          "\"rope_scaling\": " +
                                              scaling + "}");
        auto const found = rotary_frequencies(d);
        REQUIRE(found.size() == expected.size());
        for (std::size_t i = 0; i < found.size(); ++i)
            CHECK(found[i] == Approx(expected[i]).epsilon(3e-6));
        CHECK(rotary_factor(d) == Approx(factor).epsilon(1e-12));
    };
    check(R"({"rope_type": "linear", "factor": 4.0})",
          {0.25, 0.105424128, 0.0444569848, 0.0187473539, 0.00790569466, 0.00333380373, 0.00140585331, 0.000592843455},
          1);
    check(R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64})",
          {1, 0.316272378, 0.0889139697, 0.0187473539, 0.00790569466, 0.00333380373, 0.00140585331, 0.000592843455},
          1.138629436111989);
    check(R"({"rope_type": "yarn", "factor": 8.0})", // of the context of 128
          {1, 0.329450399, 0.100028217, 0.0257776119, 0.00395284733, 0.00166690187, 0.000702926656, 0.000296421727},
          1.2079441541679836);
    check(R"({"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 2048, "beta_fast": 20.0,
              "beta_slow": 2.0, "truncate": false})",
          {1, 0.421696514, 0.177827939, 0.0749894157, 0.0236571617, 0.0056005246, 0.000702926656, 0.000296421727},
          1.2079441541679836);
    check(R"({"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64, "attention_factor": 1.5})",
          {1, 0.298701704, 0.0740949735, 0.00937367696, 0.00395284733, 0.00166690187, 0.000702926656, 0.000296421727},
          1.5);
    check(R"({"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64, "mscale": 0.707,
              "mscale_all_dim": 0.5})",
          {1, 0.298701704, 0.0740949735, 0.00937367696, 0.00395284733, 0.00166690187, 0.000702926656, 0.000296421727},
          1.0389905150739585);
    // Layers with a window have a base of their own and no scaling.
    auto const two = file.read("gemma3_text", R"({"rope_scaling": {"rope_type": "linear", "factor": 8.0}})");
    CHECK(two.rope_scaling == rope_scaling::linear);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(rotary_frequencies(two)[i] == Approx(std::pow(100000, -2.0 * double(i) / 10) / 8));
        CHECK(rotary_frequencies(two, true)[i] == Approx(std::pow(300, -2.0 * double(i) / 10)));
    }
}
