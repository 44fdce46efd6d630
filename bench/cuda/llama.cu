// Llama-7B's shape in bf16, with weights from a seed: see measure.cuh. What is kept of two runs takes 8 * 32 * 16 kB
// for each token: 68 GB for 300 prompts.

#include "measure.cuh"

int main(int argc, char** argv) {
    return bench::measure<bench::llama_7b, engraft::cuda<engraft::bf16>>(argc, argv, 300, 16, bench::llama_search);
}
