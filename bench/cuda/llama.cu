// Llama-7B's shape in bf16, with weights from a seed: see measure.cuh. The clean run's cache takes 6 * 32 * 16 kB for
// each token: 94 GB for 300 prompts of 100 tokens.

#include "measure.cuh"

inline constexpr engraft::description llama_7b{.name = "llama-7b",
                                               .layers = 32,
                                               .d_model = 4096,
                                               .heads = 32,
                                               .kv_heads = 32,
                                               .d_head = 128,
                                               .d_mlp = 11008,
                                               .vocab = 32000,
                                               .norm_eps = 1e-6};

int main(int argc, char** argv) {
    return bench::measure<llama_7b, engraft::cuda<engraft::bf16>>(
        argc, argv, 100, 100,
        {{14, 3}, {15, 5}, {16, 1}, {17, 7}, {18, 2}, {20, 0}, {21, 4}, {22, 8}, {24, 6}, {26, 2}});
}
