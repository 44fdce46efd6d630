// The code of docs/how_to/sweeps.md, and checks of what that page says.

#include <algorithm>

#include "catch.hpp"
#include "docs/pair_model.hpp"

#include <engraft/engraft.hpp>
#include <engraft/io/xtensor.hpp>

namespace eg = engraft;

namespace {

struct setting {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    // [setting]
    eg::loaded_model<pair_model> const model = eg::load<pair_model>(folder + "/tuned");
    eg::boxes::prompts const prompts = eg::boxes::sample(model.tokenizer(), {.examples = 21, .seed = 10});
    eg::role const last = prompts.role<eg::last>();
    // [/setting]
};

} // namespace

TEST_CASE_METHOD(setting, "how to sweep") {
    // [heads]
    auto const clean = model.run(prompts.tokens, eg::capture_for_sweeps<pair_model>() | eg::capture(eg::q));
    auto const noise = model.run(prompts.noise_tokens, eg::capture(eg::z, eg::resid_pre));
    auto const one_head = [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}).at(last), noise); };
    auto const heads = eg::sweep(model, clean, eg::each_head<pair_model>(), one_head,
                                 {eg::probability(prompts.answers), eg::kl_to_clean()});
    // [/heads]
    CHECK(heads.of("probability").size() == 6 * 8 * 21);
    CHECK(heads.planned.flops == heads.counted);

    // [as_array]
    xt::xarray<double> const probability = eg::to_xtensor(heads, "probability"); // [layer, head, example]
    double const of_layer_5_head_1 = probability(5, 1, 20);                      // of the last example
    // [/as_array]
    auto const whole = model.run(prompts.tokens, one_head({5, 1}));
    CHECK(of_layer_5_head_1 == whole.logits_at(last).probability(prompts.answers)[20]);

    // [positions]
    auto const from_end = [&](eg::layer_position at) { // position 0 of the table is the last token
        return eg::patch(eg::resid_pre, eg::layer(at.layer) & eg::at(-1 - long(at.position)), noise);
    };
    auto const stream =
        eg::sweep(model, clean, eg::each_layer_position<pair_model>(10), from_end, {eg::logit(prompts.answers)});
    // [/positions]
    CHECK(stream.of().size() == 6 * 10 * 21);
    CHECK(stream.counted.total() < stream.planned.naive_flops / 5);

    // [path]
    std::vector<eg::node> const value_fetchers = {{4, 1}, {5, 3}};
    auto const sender = [&](eg::node n) { // its z from the noise prompt; all other heads stay as they were
        auto const here = eg::nodes({n}).at(last);
        return eg::freeze(eg::z, eg::at(last) - here, clean) | eg::patch(eg::z, here, noise);
    };
    auto const direct = eg::sweep(model, clean, eg::each_head<pair_model>(), sender,
                                  {eg::probability(prompts.answers)}); // to the logits
    auto const through_q = eg::sweep(model, clean, eg::each_head<pair_model>(), sender,
                                     eg::receivers(eg::q, value_fetchers, last), {eg::probability(prompts.answers)});
    auto const scores = through_q.relative_change(); // [layer, head]
    // [/path]
    CHECK(scores.size() == 6 * 8);
    CHECK(scores[5 * 8] == 0);                   // layer 5 writes to no query of layer 5
    CHECK(through_q.planned.live == 5 * 8 * 21); // and costs nothing
    CHECK(direct.planned.live == 6 * 8 * 21);
    auto const got = model.run(prompts.tokens, sender({2, 6}) | eg::capture(eg::q));
    auto const patched = model.run(prompts.tokens, eg::patch(eg::q, eg::nodes(value_fetchers).at(last), got));
    auto const p = patched.logits_at(last).probability(prompts.answers);
    CHECK(std::vector<double>(through_q.of().begin() + (2 * 8 + 6) * 21, through_q.of().begin() + (2 * 8 + 7) * 21) ==
          p);

    // [table]
    eg::table<double> const factors{{{"factor", 3}}, {0, 0.5, 2}};
    auto const scaled = eg::sweep(
        model, clean, factors, [&](double f) { return eg::scale(eg::mlp_out, eg::layer(3) & eg::at(last), f); },
        {eg::accuracy(prompts.answers),
         eg::reading("largest",
                     [](auto logits, std::size_t) { return *std::max_element(logits.begin(), logits.end()); })},
        {.memory = 50e6});
    // [/table]
    CHECK(scaled.of("largest").size() == 3 * 21);
    CHECK(scaled.planned.memory <= 50e6);

    // The numbers of docs/explanation/plan.md: test_docs "how to sweep" -s
    for (auto const* r : {&heads, &stream, &direct, &through_q})
        UNSCOPED_INFO(r->planned);
    CHECK(heads.planned.naive_flops > heads.planned.flops.total());
}
