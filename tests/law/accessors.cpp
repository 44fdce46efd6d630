// Numbers of examples, positions, heads and rows as people write them: -1 is the last position, and nothing else that
// is out of range reads other memory.

#include <vector>

#include "backends.hpp"
#include "catch.hpp"
#include "random_models.hpp"

using Catch::Matchers::ContainsSubstring;

TEST_CASE("a batch takes any integer for an example or a position") {
    auto const prompts = random_prompts(13, {7, 3});
    int const last = -1;
    std::size_t const second = 1;
    CHECK(prompts.at(0, last) == prompts.tokens()[6]);
    CHECK(prompts.at(second, last) == prompts.tokens()[9]);
    CHECK(prompts.at(1, -3) == prompts.tokens()[7]);
    CHECK(prompts.at(0, 6u) == prompts.tokens()[6]);
    CHECK_THROWS_AS(prompts.at(1, 3), eg::bad_position);
    CHECK_THROWS_WITH(prompts.at(1, -4),
                      ContainsSubstring("[where.position]: example 1 has 3 positions, and position -4"));
    CHECK_THROWS_WITH(prompts.at(-1, 0),
                      ContainsSubstring("[where.example]: example -1 was asked for; the batch has 2"));
    CHECK_THROWS_WITH(prompts.sequence(2), ContainsSubstring("[index.range]: example 2 was asked for; there are 2"));
    CHECK_THROWS_WITH(prompts.part(-1, 1), ContainsSubstring("[index.range]: example -1 was asked for"));
    CHECK(prompts.part(1, 9).examples() == 1);
}

TEMPLATE_TEST_CASE("what a run kept takes any integer", "", ENGRAFT_TEST_FAST_BACKENDS) {
    auto const model = random_model<TestType>(12);
    auto const prompts = random_prompts(13, {7, 3});
    auto const run = model.run(prompts, eg::capture(eg::z, eg::resid_post));
    for (int e = 0; e < 2; ++e)
        for (int h = 0; h < grouped.heads; ++h)
            CHECK(run[eg::z].slice(1, e, -1, h) ==
                  run[eg::z].slice(1, std::size_t(e), prompts.rows().length(std::size_t(e)) - 1, std::size_t(h)));
    CHECK(run[eg::resid_post].slice(1, 0, -1).size() == 32);
    CHECK_THROWS_WITH(run[eg::z].slice(1, 0, -1, -1), ContainsSubstring("[where.head]: head -1 is out of range"));
    CHECK_THROWS_WITH(run[eg::z].slice(1, -1, 0, 0), ContainsSubstring("[where.example]: example -1 was asked for"));
    CHECK_THROWS_AS(run[eg::z].slice(-1, 0, 0, 0), eg::bad_layer);
    auto const z = run[eg::z].whole(1);
    CHECK(z(6, 3, 7) == run[eg::z].slice(1, 0, -1, 3)[7]);
    CHECK_THROWS_WITH(z(-1, 3, 7), ContainsSubstring("[index.range]: index -1 was asked for; there are 10"));
    CHECK_THROWS_WITH(z(0, 4, 7), ContainsSubstring("index 4 was asked for; there are 4"));

    auto const logits = run.logits_at(-1);
    CHECK(run.logits_at(prompts.rows().length(1) - 1).values().to_host() == run.logits_at(2).values().to_host());
    CHECK(logits.top(1, 2) == logits.top(std::size_t{1}, 2u));
    CHECK_THROWS_WITH(logits.top(-1, 2), ContainsSubstring("[index.range]: row -1 was asked for; there are 2"));
    CHECK_THROWS_WITH(logits.top(0, -2), ContainsSubstring("the -2 most probable tokens were asked for"));
}

TEST_CASE("results and attributions take any integer") {
    eg::sweep_result const found({{"entry", 2}}, 3, {eg::logit({1, 1, 1})});
    CHECK(std::isnan(found.at(0, 1, 2)));
    CHECK_THROWS_WITH(found.at(1, 0, 0), ContainsSubstring("metric 1 was asked for; there are 1"));
    CHECK_THROWS_WITH(found.at(0, -1, 0), ContainsSubstring("entry -1 was asked for; there are 2"));
    CHECK_THROWS_WITH(found.at(0, 0, 3), ContainsSubstring("example 3 was asked for; there are 3"));

    eg::attributions const of{2, 2, eg::ragged({2}), {0, 1, 2, 3, 4, 5, 6, 7}, {0}};
    CHECK(of.at(1, 0, -1, 1) == 7);
    CHECK_THROWS_WITH(of.at(1, 0, -1), ContainsSubstring("[slice.head]: there are 2 heads; name one"));
    CHECK_THROWS_WITH(of.at(2, 0, 0, 0), ContainsSubstring("layer 2 was asked for; there are 2"));
    CHECK_THROWS_WITH(of.at(0, 0, 0, -1), ContainsSubstring("head -1 was asked for; there are 2"));

    eg::circuit const small{{{"a", "last", {{0, 1}}}}};
    auto const accuracy = [](eg::circuit const&) { return 0.5; };
    CHECK_THROWS_WITH(eg::measure_pairs(small, 1, accuracy), ContainsSubstring("group 1 was asked for; there are 1"));
    CHECK_THROWS_WITH(eg::measure_contributions(small, 1, {}, 0.5, accuracy),
                      ContainsSubstring("group 1 was asked for; there are 1"));
}

TEST_CASE("accuracies and thresholds that are NaN are refused") {
    double const not_one = std::numeric_limits<double>::quiet_NaN();
    eg::pair_accuracies const table{{{0, 1}, {2, 3}}, {1, not_one, not_one, 1}};
    CHECK_THROWS_WITH(eg::partners(table, 0, 1), ContainsSubstring("an accuracy without head 2.3 is NaN"));
    std::vector<eg::minimality_line> const lines{{{0, 1}, 0.5, 0.25}, {{2, 3}, not_one, 0.5}};
    CHECK_THROWS_WITH(eg::needed_heads(lines, 0.1), ContainsSubstring("the contribution of head 2.3 is NaN"));
    CHECK_THROWS_WITH(eg::needed_heads(std::span(lines).first(1), not_one), ContainsSubstring("threshold"));
    CHECK_THROWS_WITH(eg::rounded({0.5, not_one}), ContainsSubstring("[policy.finite]: element 1 of a mask's weights"));
    auto mask = eg::untrained_mask({}, 2);
    CHECK_THROWS_WITH(eg::descend({}, mask, {not_one, 0}),
                      ContainsSubstring("element 0 of a mask's derivatives is NaN"));
    auto const model = random_model<eg::reference>(12);
    auto const clean = model.run(random_prompts(13, {3}), eg::capture_for_sweeps<grouped>());
    auto const sweep = [&](double memory) {
        return eg::sweep(model, clean, eg::each_layer<grouped>(),
                         [](int l) { return eg::scale(eg::z, eg::layer(l), 2); }, {eg::logit({1})}, {.memory = memory});
    };
    CHECK_THROWS_WITH(sweep(not_one), ContainsSubstring("engraft [sweep.memory]"));
    CHECK_THROWS_WITH(sweep(-1), ContainsSubstring("engraft [sweep.memory]"));
    eg::edge_attributions edges;
    edges.scores = {1, not_one};
    CHECK_THROWS_WITH(edges.ranked(), ContainsSubstring("the score of edge 1 is NaN"));
}
