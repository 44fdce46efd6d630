// The code of docs/how_to/gradients.md.

#include "gradient/checks.hpp"

namespace {
inline constexpr eg::description small{
    .name = "small", .layers = 2, .d_model = 12, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 10, .vocab = 19};
} // namespace

TEST_CASE("the documented ways to take a gradient") {
    auto const model = checks::random_model<small, eg::cpu<eg::fp32>>(5);
    auto const prompts = checks::prompts_of(3, small.vocab, {6, 4}),
               others = checks::prompts_of(4, small.vocab, {6, 4});
    std::vector<eg::token> const answers{3, 1};
    int const layer = 1, head = 2;
    std::size_t const example = 0;
    // [sites]
    auto const g = eg::gradient(model, prompts, eg::capture(eg::z), eg::capture(eg::z, eg::resid_pre),
                                eg::log_probability(answers));
    auto const slope = g[eg::z].slice(layer, example, -1, head); // of the last position
    auto const value = g.run()[eg::z].slice(layer, example, -1, head);
    double const log_probability = g.values()[example];
    // [/sites]
    CHECK(slope.size() == value.size());
    CHECK(log_probability == Approx(std::log(g.run().logits_at(-1).probability(answers)[example])));

    // [mask]
    auto const source = model.run(others, eg::capture(eg::z));
    std::vector<eg::node> const heads{{0, 1}, {1, 0}, {1, 2}};
    std::vector<double> weights(heads.size(), 0.5);
    double before = 0, after = 0;
    for (int step = 0; step < 20; ++step) {
        auto const mask = eg::mask(eg::z, eg::nodes(heads) & eg::at(-1), weights, source);
        auto const found = eg::gradient(model, prompts, mask, eg::identity, eg::log_probability(answers));
        for (std::size_t i = 0; i < weights.size(); ++i)
            weights[i] = std::clamp(weights[i] + 0.1 * found.parameters()[i], 0.0, 1.0);
        after = found.values()[0] + found.values()[1];
        before = step == 0 ? after : before;
    }
    // [/mask]
    CHECK(after > before);

    // [plan]
    auto const planned = eg::plan_gradient<decltype(model)>(prompts.rows());
    // [/plan]
    // By hand: 10 rows of 2 layers; q and o 12 x 16, k and v 12 x 8, gate, up and down 12 x 10; 21 + 10 pairs of a
    // query and a key, 16 wide, by two; a reading of two rows.
    double const linear = 2.0 * 2 * 10 * (2 * 12 * 16 + 2 * 12 * 8 + 3 * 12 * 10), attention = 2.0 * 2 * 31 * 16 * 2;
    CHECK(planned.forward == eg::flop_count{linear, attention, 2.0 * 2 * 12 * 19});
    CHECK(planned.again == eg::flop_count{linear - 2.0 * 2 * 10 * 12 * 10, attention, 0});
    CHECK(planned.back == eg::flop_count{linear, 2.5 * attention, 2.0 * 2 * 12 * 19});
    auto const top = eg::plan_gradient<decltype(model)>(prompts.rows(), 1);
    CHECK(top.back.linear == linear / 2);
    CHECK(top.memory == planned.memory - 10 * 12 * 4);
}
