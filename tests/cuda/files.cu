// A program for a GPU that reads files, as docs/how_to/cuda.md shows it: the readers and the CUDA backend compile
// together.

#include "catch.hpp"

#include <engraft/engraft.hpp>
namespace eg = engraft;

namespace {

inline constexpr eg::description pair{
    .name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16, .d_mlp = 192, .vocab = 755};

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
