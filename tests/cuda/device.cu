// The CUDA backend on a GPU: what tests/cuda/host.cpp checks of its kernels on the host, matrix products of cuBLASLt,
// and laws of models and sweeps. Compiled without a GPU too, and then not run: see run.sh.

#define ENGRAFT_TEST_OTHER_BACKENDS engraft::cuda<engraft::fp32>
#include "cuda/operations.hpp"
#include "law/forward.cpp"
#include "law/sweeps.hpp"

#include <iostream>

namespace {
inline constexpr eg::description llama{
    .name = "llama", .layers = 2, .d_model = 16, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 24, .vocab = 31};
} // namespace

TEST_CASE("a GPU is there", "[there]") {
    REQUIRE(eg::gpu_is_there());
    std::cout << "on " << eg::cuda<eg::fp32>::device() << '\n';
}

TEMPLATE_TEST_CASE("operations on the GPU do what the reference does", "[cuda]", eg::fp32, eg::tf32, eg::bf16) {
    using B = eg::cuda<TestType>;
    double const rounding = 3e-6;
    double const of_products = std::is_same_v<TestType, eg::fp32>   ? rounding
                               : std::is_same_v<TestType, eg::tf32> ? 1e-3
                                                                    : 8e-3;
    operations::products<B>(of_products, rounding);
    operations::company<B>();
    if constexpr (std::is_same_v<TestType, eg::fp32>) { // else the same kernels
        operations::rows<B>(rounding);
        operations::attention<B>(rounding);
        operations::slices<B>(rounding);
    }
    B::print_products(std::cout);
}

TEST_CASE("sweeps on the GPU are what whole runs give", "[cuda]") {
    sweeps::check_models<sweeps::plain, llama, eg::cuda<eg::fp32>>(700, 6, 12);
}
