// The kernels of the CUDA backend's adjoints, launched on the host, and gradients of whole runs by them.

#include "cuda/host_launch.hpp"

#include "cuda/adjoint_operations.hpp"
#include "cuda/gradients.hpp"

#include <engraft/backend/cuda/launched_adjoint.hpp>

template <engraft::numeric_policy Numbers>
using on_host = engraft::launched<Numbers, host_launch>;

static_assert(eg::differentiable<on_host<eg::fp32>> && eg::differentiable<on_host<eg::bf16>>);

TEMPLATE_TEST_CASE("adjoints of kernels on the host do what the reference does", "[cuda]", eg::fp64, eg::bf16) {
    using B = on_host<TestType>;
    bool const exact = std::is_same_v<TestType, eg::fp64>;
    double const rounding = exact ? 1e-13 : 4e-6;
    operations::rows_back<B>(rounding);
    operations::products_back<B>(exact ? rounding : 8e-3);
    operations::attention_back<B>(rounding);
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
        operations::require_close(work(on<on_host<eg::fp64>>{on_host<eg::fp64>(host_launch{.plain_products = true})}),
                                  work(on<eg::reference>{}), 1e-13);
    }
}

TEST_CASE("gradients of whole runs by kernels on the host are the reference's", "[cuda]") {
    auto const of = [](host_launch const& launch) {
        return gradients::through_policies(checks::random_model<gradients::small>(1, on_host<eg::fp32>(launch)));
    };
    auto const found = of({});
    checks::check_close(found, gradients::exact());
    // To the bit, whatever the order in which a launch goes through its indices.
    CHECK(of({.first_first = true}) == found);
}

TEST_CASE("masks are trained by kernels on the host as by the reference", "[cuda]") {
    gradients::check_trained(gradients::trained(checks::random_model<gradients::small, on_host<eg::fp32>>(1)));
}
