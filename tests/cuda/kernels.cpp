// The kernels of the CUDA backend in double and in bfloat16, and whole runs by so small panels that each has several.

#include "cuda/small_panels.hpp"

#define ENGRAFT_TEST_OTHER_BACKENDS in_small_panels<engraft::fp32>
#include "backend/rows.cpp"
#include "cuda/operations.hpp"

static_assert(eg::backend<in_small_panels<eg::fp32>> && eg::backend<in_small_panels<eg::bf16>>);
static_assert(!eg::computes_entries<eg::cuda<eg::fp32>>); // cuBLASLt's products add up in an order of their own

TEMPLATE_TEST_CASE("kernels do what the reference does", "[cuda]", eg::fp64, eg::bf16) {
    using B = in_small_panels<TestType>;
    bool const exact = std::is_same_v<TestType, eg::fp64>;
    double const rounding = exact ? 1e-13 : 3e-6;
    operations::rows<B>(rounding);
    operations::products<B>(exact ? rounding : 8e-3, rounding);
    operations::attention<B>(rounding);
    operations::experts<B>(rounding);
    operations::slices<B>(rounding);
    operations::company<B>();
}

TEST_CASE("plain products do what the reference does", "[cuda]") {
    using operations::on;
    for (std::size_t count : {1u, 6u, 131u}) {
        on<in_small_panels<eg::fp64>> const m{in_small_panels<eg::fp64>(small_panels{{}, true})};
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
