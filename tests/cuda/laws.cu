// Laws of models and sweeps on a GPU: many compositions, which nvcc compiles in the preset long and in bench/gpu.sh only.

#define ENGRAFT_TEST_OTHER_BACKENDS engraft::cuda<engraft::fp32>
#include "cuda/numbers.hpp"
#include "law/attention_lines.cpp"
#include "law/families.hpp"
#include "law/forward.cpp"
#include "law/sweeps.hpp"

TEST_CASE("sweeps on the GPU are what whole runs give", "[cuda]") {
    sweeps::check_models<sweeps::plain, families::llama, eg::cuda<eg::fp32>>(700, 6, 12);
}

TEST_CASE("each site on the GPU differs from the reference by little in fp32 and tf32", "[cuda]") {
    numbers::check<eg::cuda<eg::fp32>>("fp32", 1e-5, 1e-9);
    numbers::check<eg::cuda<eg::tf32>>("tf32", 1e-2, 1e-5);
}
