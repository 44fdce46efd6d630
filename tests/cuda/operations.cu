// The operations of the CUDA backend, on a GPU or on its stand-in.

#include <iostream>

#include "cuda/numbers.hpp"
#include "cuda/operations.hpp"

#include <engraft/backend/cuda/cuda.cuh>

TEST_CASE("a GPU is there", "[there]") {
    REQUIRE(eg::gpu_is_there());
    std::cout << "on " << eg::cuda<eg::fp32>::device() << '\n';
}

TEMPLATE_TEST_CASE("operations on the GPU do what the reference does", "[cuda]", eg::fp32, eg::tf32, eg::bf16) {
    using B = eg::cuda<TestType>;
    double const rounding = 3e-6;
    double const of_products = std::is_same_v<TestType, eg::fp32>   ? rounding
                               : std::is_same_v<TestType, eg::tf32> ? 2e-3
                                                                    : 8e-3;
    operations::products<B>(of_products, rounding);
    operations::company<B>();
    if constexpr (std::is_same_v<TestType, eg::fp32>) { // else the same kernels
        operations::rows<B>(rounding);
        operations::attention<B>(rounding);
        operations::experts<B>(rounding);
        operations::slices<B>(rounding);
    }
    B::print_products(std::cout);
}

TEST_CASE("each site on the GPU differs from the reference by what its numbers round, and by nothing under a no-op",
          "[cuda]") {
    numbers::check<eg::cuda<eg::bf16>>("bf16", 3e-2, 1e-4); // the others: laws.cu
}
