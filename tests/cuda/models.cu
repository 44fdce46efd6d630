// Models and gradients on a GPU or on its stand-in, and a program as docs/how_to/cuda.md shows it. One source, since nvcc
// takes longer to read the headers than for most of what is here.

#define ENGRAFT_TEST_OTHER_BACKENDS engraft::cuda<engraft::fp32>
#include "backend/rows.cpp"
#include "cuda/adjoint_operations.hpp"
#include "cuda/gradients.hpp"

namespace {

// [functor]
struct clipped {
    float most;
    ENGRAFT_HOST_DEVICE void operator()(auto row) const {
        for (auto& x : row)
            x = x > most ? most : x;
    }
};
// [/functor]

} // namespace

TEST_CASE("a functor of the program is called on the GPU", "[cuda]") {
    auto const model = random_model<eg::cuda<eg::fp32>>(20);
    auto const run = model.run(random_prompts(21, {6}),
                               eg::edit(eg::mlp_post, eg::layer(1), clipped{0.01f}) | eg::capture(eg::mlp_post));
    for (float x : run[eg::mlp_post].slice(1, 0, -1))
        CHECK(x <= 0.01f);
}

TEST_CASE("adjoints on the GPU do what the reference does", "[cuda]") {
    double const rounding = 4e-6;
    using B = eg::cuda<eg::fp32>;
    operations::rows_back<B>(rounding);
    operations::products_back<B>(rounding);
    operations::attention_back<B>(rounding);
    operations::experts_back<B>(rounding);
    operations::slices_back<B>(rounding, 1e-6);
    operations::products_back<eg::cuda<eg::bf16>>(8e-3);
}

TEST_CASE("gradients of whole runs on the GPU are the reference's, and the same each time", "[cuda]") {
    auto const model = checks::random_model<gradients::small, eg::cuda<eg::fp32>>(1);
    auto const found = gradients::through_policies(model);
    checks::check_close(found, gradients::exact());
    CHECK(gradients::through_policies(model) == found);
}

TEST_CASE("masks are trained on the GPU as by the reference", "[cuda]") {
    gradients::check_trained(gradients::trained(checks::random_model<gradients::small, eg::cuda<eg::fp32>>(1)));
}

#ifdef ENGRAFT_EXAMPLES_DATA // where the readers of files are linked
namespace {
inline constexpr eg::description pair{
    .name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16, .d_mlp = 192, .vocab = 755};
} // namespace

TEST_CASE("the trained pair answers on the GPU as it does on the CPU", "[cuda]") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    // [program]
    auto const base = eg::load<pair, eg::cuda<eg::bf16>>(folder + "/base"); // eg::load<pair>(...) on the CPU
    auto const prompts = eg::boxes::sample(base.tokenizer(), {.examples = 300, .seed = 10});
    auto const run = base.run(prompts.tokens, eg::edit(eg::mlp_post, eg::layer(5), clipped{50}));
    auto const right = eg::accuracy(run.logits_at(prompts.role<eg::last>()), prompts.answers);
    // [/program]
    CHECK(right == Approx(0.63).margin(0.02)); // of the CPU: README.md
}
#endif
