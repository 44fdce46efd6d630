// The kernels of the CUDA backend's adjoints in double and in bfloat16, and gradients of whole runs, whatever the order
// in which threads come.

#include "cuda/small_panels.hpp"

#include "cuda/adjoint_operations.hpp"
#include "cuda/gradients.hpp"

#include <engraft/backend/cuda/launched_adjoint.hpp>

static_assert(eg::differentiable<in_small_panels<eg::fp32>> && eg::differentiable<in_small_panels<eg::bf16>>);

TEMPLATE_TEST_CASE("adjoints of kernels do what the reference does", "[cuda]", eg::fp64, eg::bf16) {
    using B = in_small_panels<TestType>;
    bool const exact = std::is_same_v<TestType, eg::fp64>;
    double const rounding = exact ? 1e-13 : 4e-6;
    operations::rows_back<B>(rounding);
    operations::products_back<B>(exact ? rounding : 8e-3);
    operations::attention_back<B>(rounding);
    operations::experts_back<B>(rounding);
    operations::slices_back<B>(rounding, exact ? rounding : 1e-6);
}

TEST_CASE("plain products backwards do what the reference does", "[cuda]") {
    using operations::on;
    for (std::size_t count : {1u, 6u, 131u}) {
        auto const work = [&](auto const& m) {
            auto const map = m.b.make_linear(m.make(20, 66, 97), m.vector(21, 66));
            auto dx = m.make(23, count, 97);
            operations::back(m).linear(m.out(dx), m.in(m.make(22, count, 66)), map, true);
            return m.read(dx);
        };
        operations::require_close(
            work(on<in_small_panels<eg::fp64>>{in_small_panels<eg::fp64>(small_panels{{}, true})}),
            work(on<eg::reference>{}), 1e-13);
    }
}

TEST_CASE("gradients have the same bits in whatever order threads come", "[cuda]") {
    auto const found = [] {
        return gradients::through_policies(checks::random_model<gradients::small, in_small_panels<eg::fp32>>(1));
    };
    auto const one_way = found();
    checks::check_close(one_way, gradients::exact());
    stand_in::turn_round();
    CHECK(found() == one_way);
}
