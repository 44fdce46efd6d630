#include "properties.hpp"

namespace {
inline constexpr eg::description gemma2{.name = "gemma2",
                                        .family = eg::family::gemma2,
                                        .layers = 3,
                                        .d_model = 16,
                                        .heads = 2,
                                        .kv_heads = 1,
                                        .d_head = 8,
                                        .d_mlp = 24,
                                        .vocab = 31,
                                        .norm_eps = 1e-6,
                                        .post_norms = true,
                                        .window = 4,
                                        .window_every = 2,
                                        .attention_scalar = 8,
                                        .attention_softcap = 50,
                                        .final_softcap = 30,
                                        .scaled_embedding = true,
                                        .mlp = eg::mlp::gated_gelu_tanh,
                                        .tied_unembedding = true};
inline constexpr eg::description gpt2{.name = "gpt2",
                                      .family = eg::family::gpt2,
                                      .layers = 2,
                                      .d_model = 16,
                                      .heads = 4,
                                      .kv_heads = 4,
                                      .d_head = 4,
                                      .d_mlp = 32,
                                      .vocab = 31,
                                      .norm = eg::norm::layer,
                                      .position = eg::position::learned,
                                      .positions = 16,
                                      .mlp = eg::mlp::gelu_tanh,
                                      .qkv_bias = true,
                                      .out_bias = true,
                                      .mlp_bias = true,
                                      .tied_unembedding = true};
} // namespace

TEST_CASE("laws of policies hold for any Gemma 2 model", "[properties]") {
    properties::check_cases<gemma2>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any GPT-2 model", "[properties]") {
    properties::check_cases<gpt2>(200, properties::cases_of_each);
}
