// The search for a circuit against path patching step by step.

#include "catch.hpp"
#include "random_models.hpp"

TEST_CASE("a search takes the heads with the lowest scores, whose receivers are those of the step that it names") {
    auto const model = random_model<eg::reference>(71);
    auto const prompts = random_prompts(72, {7, 5}), others = random_prompts(73, {7, 5});
    auto const clean = model.run(prompts, eg::capture_for_sweeps<grouped>() | eg::capture(eg::q));
    auto const noise = model.run(others, eg::capture(eg::z));
    std::vector<eg::token> const answers{3, 4};
    std::vector<eg::metric> const score{eg::probability(answers)};
    eg::role const last{"last", {6, 4}, {}}, early{"early", {2, 1}, {}}, early_there{"early", {3, 0}, {}};
    using input = eg::discovery_step::input;

    auto const found = eg::discover(model, clean, noise, answers,
                                    {{"writers", last, 6},
                                     {"queries", last, 2, input::of_queries, "writers"},
                                     {"values", early.from(early_there), 2, input::of_values, "writers"}});
    auto const to_logits = eg::path_patching(model, clean, noise, last, score).relative_change();
    CHECK(found.steps[0].change == to_logits);
    auto const writers = eg::lowest_heads(to_logits, 4, 6);
    auto const to_queries =
        eg::path_patching(model, clean, noise, last, eg::receivers(eg::q, writers, last), score).relative_change();
    CHECK(found.steps[1].change == to_queries);
    auto const queries = eg::lowest_heads(to_queries, 4, 2);
    auto const to_values = eg::path_patching(model, clean, noise, early.from(early_there),
                                             eg::receivers(eg::v, eg::kv_heads_of<grouped>(writers), early), score)
                               .relative_change();
    CHECK(found.steps[2].change == to_values);
    CHECK(found.found["queries"].heads == queries);
    CHECK(found.found["values"].heads == eg::lowest_heads(to_values, 4, 2));
    for (auto const& head : found.found["writers"].heads)
        CHECK(std::find(queries.begin(), queries.end(), head) == queries.end());
    CHECK(found.found["writers"].role == "last");
    CHECK(std::any_of(to_values.begin(), to_values.end(), [](double x) { return x != 0; }));
    CHECK_THROWS_AS(eg::discover(model, clean, noise, answers, {{"a", last, 1, input::of_queries, "b"}}),
                    eg::bad_input);
}

TEST_CASE("key/value heads are named once, whatever number of query heads reads them") {
    CHECK(eg::kv_heads_of<grouped>({{2, 3}, {0, 0}, {0, 1}, {2, 2}}) == std::vector<eg::node>{{0, 0}, {2, 1}});
}

TEST_CASE("the plan of a sweep is what the sweep says that it has planned") {
    auto const model = random_model<eg::reference>(74);
    auto const prompts = random_prompts(75, {6, 4});
    auto const clean = model.run(prompts, eg::capture_for_sweeps<grouped>() | eg::capture(eg::q));
    auto const noise = model.run(random_prompts(76, {6, 4}), eg::capture(eg::z));
    eg::role const last{"last", {5, 3}, {}};
    auto const first = eg::path_from_sender(clean, noise, last);
    auto const to = eg::receivers(eg::q, {{1, 0}, {2, 3}}, last);
    std::vector<eg::metric> const score{eg::probability({1, 2})};
    auto const same = [](eg::sweep_plan const& a, eg::sweep_plan const& b) {
        return a.flops == b.flops && a.live == b.live && a.chunks == b.chunks && a.rows == b.rows &&
               a.memory == b.memory && a.naive_flops == b.naive_flops && a.cases == b.cases;
    };
    CHECK(same(eg::plan_sweep(model, clean, eg::each_head<grouped>(), first, score),
               eg::sweep(model, clean, eg::each_head<grouped>(), first, score).planned));
    CHECK(same(eg::plan_sweep(model, clean, eg::each_head<grouped>(), first, to, score),
               eg::sweep(model, clean, eg::each_head<grouped>(), first, to, score).planned));
}
