#include "gradient/family.hpp"

namespace {
inline constexpr eg::description gemma2{.name = "gemma2",
                                        .family = eg::family::gemma2,
                                        .layers = 2,
                                        .d_model = 12,
                                        .heads = 2,
                                        .kv_heads = 1,
                                        .d_head = 6,
                                        .d_mlp = 20,
                                        .vocab = 19,
                                        .norm_eps = 1e-6,
                                        .post_norms = true,
                                        .window = 3,
                                        .window_layers = "10",
                                        .attention_scalar = 8,
                                        .attention_softcap = 2,
                                        .final_softcap = 3,
                                        .scaled_embedding = true,
                                        .mlp = eg::mlp::gated_gelu_tanh,
                                        .tied_unembedding = true};
inline constexpr eg::description gpt2{.name = "gpt2",
                                      .family = eg::family::gpt2,
                                      .layers = 2,
                                      .d_model = 12,
                                      .heads = 3,
                                      .kv_heads = 3,
                                      .d_head = 4,
                                      .d_mlp = 20,
                                      .vocab = 19,
                                      .norm = eg::norm::layer,
                                      .position = eg::position::learned,
                                      .positions = 8,
                                      .mlp = eg::mlp::gelu_tanh,
                                      .qkv_bias = true,
                                      .out_bias = true,
                                      .mlp_bias = true,
                                      .tied_unembedding = true};
} // namespace

TEST_CASE("gradients of a probability in a Gemma 2 model") {
    checks::check_family<gemma2>({eg::probability({3, 1, 4}), {-1, 0, -2}, {1, -0.5, 2}});
}
TEST_CASE("gradients of a difference of logits in a GPT-2 model") {
    checks::check_family<gpt2>({eg::logit_difference({3, 1, 4}, {1, 5, 9}), {-1, 0, 2}, {1, 1, 1}});
}
