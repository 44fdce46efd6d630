// Gradients and masks that are trained, on a GPU: what tests/cuda/gradients.cpp checks by kernels on the host.

#include "cuda/adjoint_operations.hpp"
#include "cuda/gradients.hpp"

TEST_CASE("adjoints on the GPU do what the reference does", "[cuda]") {
    double const rounding = 4e-6;
    using B = eg::cuda<eg::fp32>;
    operations::rows_back<B>(rounding);
    operations::products_back<B>(rounding);
    operations::attention_back<B>(rounding);
    operations::slices_back<B>(rounding, 1e-6);
    operations::products_back<eg::cuda<eg::bf16>>(8e-3);
}

TEST_CASE("gradients of whole runs on the GPU are the reference's, and the same each time", "[cuda]") {
    auto const exact = gradients::through_policies(checks::random_model<gradients::small, eg::reference>(1));
    auto const model = checks::random_model<gradients::small, eg::cuda<eg::fp32>>(1);
    auto const found = gradients::through_policies(model);
    checks::check_close(found, exact);
    CHECK(gradients::through_policies(model) == found);
}

TEST_CASE("masks are trained on the GPU as by the reference", "[cuda]") {
    gradients::check_trained(gradients::trained(checks::random_model<gradients::small, eg::cuda<eg::fp32>>(1)),
                             gradients::trained(checks::random_model<gradients::small, eg::reference>(1)));
}
