// Laws of models and sweeps on a GPU: many compositions, so in the preset long and in bench/gpu.sh only.

#define ENGRAFT_TEST_OTHER_BACKENDS engraft::cuda<engraft::fp32>
#include "cuda/numbers.hpp"
#include "law/forward.cpp"
#include "law/sweeps.hpp"

namespace {
inline constexpr eg::description llama{
    .name = "llama", .layers = 2, .d_model = 16, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 24, .vocab = 31};
} // namespace

TEST_CASE("sweeps on the GPU are what whole runs give", "[cuda]") {
    sweeps::check_models<sweeps::plain, llama, eg::cuda<eg::fp32>>(700, 6, 12);
}

TEST_CASE("each site on the GPU differs from the reference by little in fp32 and tf32", "[cuda]") {
    numbers::check<eg::cuda<eg::fp32>>("fp32", 1e-5, 1e-9);
    numbers::check<eg::cuda<eg::tf32>>("tf32", 1e-2, 1e-5);
}
