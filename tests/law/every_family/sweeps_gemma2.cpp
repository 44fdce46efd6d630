#include "law/sweeps.hpp"

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
} // namespace

TEST_CASE("sweeps of Gemma 2 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, gemma2, eg::reference>(100, 6, 12);
    sweeps::check_models<sweeps::plain, gemma2, eg::cpu<eg::fp32>>(200, 6, 12);
}
