// The kernels of the CUDA backend, launched on the host, and laws of models and sweeps by them.

#include "cuda/host_launch.hpp"

template <engraft::numeric_policy Numbers>
using on_host = engraft::launched<Numbers, host_launch>;

#define ENGRAFT_TEST_OTHER_BACKENDS on_host<engraft::fp32>
#include "backend/rows.cpp"
#include "cuda/numbers.hpp"
#include "cuda/operations.hpp"
#include "law/forward.cpp"

static_assert(eg::backend<on_host<eg::fp32>> && eg::backend<on_host<eg::bf16>>);
static_assert(!eg::computes_entries<on_host<eg::fp32>>); // cuBLASLt's products add up in an order of their own
static_assert(eg::computes_entries<eg::cpu<eg::fp32>> && eg::computes_entries<eg::adapted<eg::cpu<eg::fp32>>>);

TEMPLATE_TEST_CASE("kernels on the host do what the reference does", "[cuda]", eg::fp64, eg::fp32, eg::bf16) {
    using B = on_host<TestType>;
    double const rounding = std::is_same_v<TestType, eg::fp64> ? 1e-13 : 3e-6;
    double const of_products = std::is_same_v<TestType, eg::bf16> ? 8e-3 : rounding;
    operations::rows<B>(rounding);
    operations::products<B>(of_products, rounding);
    operations::attention<B>(rounding);
    operations::slices<B>(rounding);
    operations::company<B>();
}

TEST_CASE("plain products do what the reference does", "[cuda]") {
    using operations::on;
    for (std::size_t count : {1u, 6u, 131u}) {
        on<on_host<eg::fp64>> const m{on_host<eg::fp64>(host_launch{true})};
        operations::require_close(operations::product(m, 97, 66, true, 3, count, true),
                                  operations::product(on<eg::reference>{}, 97, 66, true, 3, count, true), 1e-13);
    }
}

TEST_CASE("numbers become bfloat16 by rounding to the nearest, ties to even", "[cuda]") {
    auto const rounded = [](float x) { return eg::from_bfloat16(eg::kernels::stored<eg::bfloat16>(x).bits); };
    CHECK(rounded(1.0f) == 1.0f);
    CHECK(rounded(1.00390625f) == 1.0f);       // half way to 1.0078125, whose last bit is odd
    CHECK(rounded(1.01171875f) == 1.015625f);  // half way from 1.0078125
    CHECK(rounded(1.00390637f) == 1.0078125f); // a little more than half way
    CHECK(rounded(-3.3895314e38f) == -3.3895314e38f);
    CHECK(rounded(3.4e38f) == std::numeric_limits<float>::infinity());
    CHECK(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
    CHECK(std::isnan(rounded(__builtin_bit_cast(float, 0x7f800001u)))); // its upper half alone is infinity
}

TEST_CASE("each site differs from the reference by what its numbers round, and by nothing under a no-op", "[cuda]") {
    numbers::check<on_host<eg::fp32>>("fp32", 1e-5, 1e-9);
    numbers::check<on_host<eg::bf16>>("bf16", 3e-2, 1e-4);
}
