// The code of docs/how_to/store.md, and checks of what that page says.

#include <vector>

#include "catch.hpp"
#include "docs/pair_model.hpp"
#include "temporary_folder.hpp"

#include <engraft/engraft.hpp>
#include <engraft/io/xtensor.hpp>

namespace eg = engraft;

TEST_CASE("how to store activations") {
    std::string const data = ENGRAFT_EXAMPLES_DATA;
    temporary_folder const temporary;
    auto const folder = temporary.path / "store", of_heads = temporary.path / "heads";
    auto const model = eg::load<pair_model>(data + "/base");
    auto const prompts = eg::boxes::sample(model.tokenizer(), {.examples = 60, .seed = 10});
    // [write]
    eg::write_store(model, prompts.tokens, eg::capture(eg::resid_post, eg::layers({2, 4})), folder,
                    {.dtype = eg::dtype::f32, .shard_bytes = 1e6}, eg::first_layers{5});
    // [/write]

    // [role]
    auto const last = prompts.role<eg::last>();
    auto const at_last = [&](eg::part_of_batch part) { return eg::capture(eg::z, eg::at(part.of(last))); };
    eg::write_store(model, prompts.tokens, at_last, of_heads, {.dtype = eg::dtype::bf16});
    // [/role]
    CHECK(eg::activation_store(of_heads).manifest().rows() == 60);

    // [read]
    eg::activation_store const all(folder);
    std::vector<double> sums(128);
    for (std::size_t i = 0; i < all.shards(); ++i) {
        eg::store_shard const shard = all.shard(i);
        auto const rows = shard.whole("resid_post", 4); // [rows, 128]: the file's own memory
        for (std::size_t r = 0; r < shard.rows(); ++r)
            for (std::size_t c = 0; c < 128; ++c)
                sums[c] += rows(r, c);
        std::vector<std::int64_t> const words = shard.tokens(); // of each row; also examples() and positions()
    }
    xt::xtensor<float, 2> const first = eg::to_xtensor(all.shard(0).whole("resid_post", 2)); // a copy
    eg::array<float> const heads = eg::activation_store(of_heads).shard(0).read("z", 5);     // as floats
    // [/read]
    CHECK(all.shards() > 1);
    CHECK(first.shape()[1] == 128);
    CHECK(heads.shape == std::vector<std::size_t>{60, 8, 16});
    auto const run = model.run(prompts.tokens, eg::capture(eg::resid_post, eg::layer(4)));
    auto const whole = run[eg::resid_post].whole(4);
    double sum = 0;
    for (std::size_t r = 0; r < prompts.tokens.rows().rows(); ++r)
        sum += whole(r, 7);
    CHECK(sums[7] == sum);
}
