// The code of docs/tutorial/first_intervention.md, and checks of what that page says about it.

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "catch.hpp"

// [description]
#include <engraft/engraft.hpp>

namespace eg = engraft;

inline constexpr eg::description pair_model{
    .name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16,
    .d_mlp = 192, .vocab = 755, .norm_eps = 1e-5, .rope_theta = 10000};
// [/description]

TEST_CASE("the tutorial, from loading to an intervention of one's own") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;

    // [load]
    auto const base = eg::load<pair_model>(folder + "/base");
    auto const& words = base.tokenizer();
    // [/load]

    // [encode]
    std::string const scene =
        "The nail is in Box A, the spoon is in Box D, the brick is in Box K, the fork is in Box V, "
        "the ruler is in Box Z, the paper is in Box H, the plum is in Box Q. ";
    std::vector<eg::token> const tokens = words.encode(scene + "Box V contains the"); // 54 of them
    eg::token const fork = words.require_token(" fork"), brick = words.require_token(" brick");
    eg::batch const prompt = eg::batch::of(tokens); // of one example
    // [/encode]
    CHECK(tokens.size() == 54);
    CHECK(words.text(tokens[0]) == "<s>");

    // [run]
    auto const clean = base.run(prompt);
    auto const logits = clean.logits_at(-1);       // at the last position of each example
    auto const best = words.decode(logits.top());  // " fork"
    double const p = logits.probability({fork})[0]; // 0.859
    // [/run]
    CHECK(best == " fork");
    CHECK(p == Approx(0.859).margin(0.0005));

    // [top]
    std::vector<std::string> best_three;
    for (eg::token t : logits.top(0, 3)) best_three.push_back(words.text(t)); // of row 0, the only one
    std::vector<float> const row = logits.values().to_host();                 // all 755 logits
    // [/top]
    std::string three;
    for (auto const& t : best_three) three += t + " ";
    CHECK(three == "Ġfork Ġplum Ġbrick ");

    // [pattern]
    auto const seen = base.run(prompt, eg::capture(eg::pattern));
    std::vector<float> const attention = seen[eg::pattern].slice(5, 0, -1, 1); // layer, example, position, head
    auto const most = std::max_element(attention.begin(), attention.end()) - attention.begin();
    // [/pattern]
    CHECK(attention.size() == 54);
    CHECK(most == 23);
    CHECK(words.text(tokens[std::size_t(most)]) == "Ġfork");
    CHECK(attention[23] > 0.9999f);
    CHECK(std::accumulate(attention.begin(), attention.end(), 0.0) == Approx(1));
    CHECK(seen.logits_at(-1).values().to_host() == row);

    // [ablate]
    auto const without = base.run(prompt, eg::ablate(eg::z, eg::layer(5) & eg::head(1) & eg::at(-1)));
    double const change = without.logits_at(-1).of({fork})[0] - logits.of({fork})[0]; // -0.95
    // [/ablate]
    CHECK(change == Approx(-0.95).margin(0.005));
    CHECK(without.logits_at(-1).top()[0] == fork);

    // [mean_ablate]
    auto const others = eg::boxes::sample(words, {.examples = 70, .seed = 1});
    auto const means = eg::mean(base.run(others.tokens, eg::capture(eg::z)), eg::z);
    auto const averaged = base.run(prompt, eg::ablate(eg::z, eg::layer(5) & eg::head(1) & eg::at(-1), means));
    // [/mean_ablate]
    CHECK(averaged.logits_at(-1).of({fork})[0] - logits.of({fork})[0] == Approx(-0.76).margin(0.005));

    // [patch]
    auto const source = base.run(eg::batch::of(words.encode(scene + "Box K contains the")), eg::capture(eg::resid_post));
    std::vector<std::string> answers;
    for (int layer = 0; layer < pair_model.layers; ++layer) {
        auto const patched = base.run(prompt, eg::patch(eg::resid_post, eg::layer(layer) & eg::at(-1), source));
        answers.push_back(words.decode(patched.logits_at(-1).top()));
    } // " fork", " fork", " brick", " brick", " brick", " brick"
    // [/patch]
    CHECK(source.logits_at(-1).top()[0] == brick);
    CHECK(answers == std::vector<std::string>{" fork", " fork", " brick", " brick", " brick", " brick"});

    // [role]
    auto const place_of = [&](eg::token word) { return std::find(tokens.begin(), tokens.end(), word) - tokens.begin(); };
    eg::role const here{"object", {place_of(fork)}, {}}, there{"object", {place_of(brick)}, {}}; // a position per example
    auto const exchanged = base.run(prompt, eg::patch(eg::resid_post, eg::layer(1) & eg::at(here.from(there)), source));
    auto const said = words.decode(exchanged.logits_at(-1).top()); // " brick"
    // [/role]
    CHECK(said == " brick");

    // [compose]
    auto const two_heads = eg::nodes({{5, 1}, {4, 7}}) & eg::at(-1);
    auto const edited = base.run(prompt, eg::ablate(eg::z, two_heads) | eg::capture(eg::resid_post, eg::at(-1)));
    std::vector<float> const stream = edited[eg::resid_post].slice(5, 0, -1); // 128 floats
    // [/compose]
    CHECK(stream.size() == 128);
    CHECK(stream != base.run(prompt, eg::capture(eg::resid_post))[eg::resid_post].slice(5, 0, -1));
    auto const the_other_way_round = base.run(prompt, eg::capture(eg::resid_post, eg::at(-1)) | eg::ablate(eg::z, two_heads));
    CHECK(stream == the_other_way_round[eg::resid_post].slice(5, 0, -1));

    // [error]
    std::string message;
    try {
        base.run(prompt, eg::ablate(eg::z, eg::layer(6)));
    } catch (eg::error const& e) {
        message = e.what();
    }
    // [/error]
    CHECK(message == "engraft [where.layer]: layer 6 is out of range; the model's layers are 0 to 5");
}

TEST_CASE("order of policies, as docs/explanation/order.md shows it") {
    auto const model = eg::load<pair_model>(std::string(ENGRAFT_EXAMPLES_DATA) + "/base");
    eg::batch const prompt({model.tokenizer().encode("The cup is in Box A. Box A contains the")});

    // [capture_order]
    auto const zeros = eg::ablate(eg::z, eg::layer(0));
    auto const before = model.run(prompt, eg::capture(eg::z) | zeros); // z of layer 0 as it was
    auto const after = model.run(prompt, zeros | eg::capture(eg::z));  // zeros
    // [/capture_order]
    CHECK(after[eg::z].slice(0, 0, -1, 0) == std::vector<float>(16, 0));
    CHECK(before[eg::z].slice(0, 0, -1, 0) != std::vector<float>(16, 0));
    CHECK(before.logits().values().to_host() == after.logits().values().to_host());
    CHECK(model.run(prompt, eg::identity).logits().values().to_host() == model.run(prompt).logits().values().to_host());
}
