// Bits that must not depend on what else is computed.

#include "backends.hpp"
#include "catch.hpp"
#include "random_models.hpp"

TEMPLATE_TEST_CASE("a row's bits do not depend on its company or on the number of threads", "",
                   ENGRAFT_TEST_FAST_BACKENDS) {
    auto const one = random_model<TestType>(5, threads<TestType>(1)),
               two = random_model<TestType>(5, threads<TestType>(2));
    auto const together = random_prompts(6, {5, 1, 9, 70});
    auto const all = logits_of(one.run(together));
    CHECK(logits_of(two.run(together)) == all);
    for (std::size_t e = 0; e < together.examples(); ++e) {
        std::vector<eg::token> alone;
        for (std::size_t p = 0; p < together.rows().length(e); ++p)
            alone.push_back(together.at(e, p));
        auto const begin = all.begin() + static_cast<std::ptrdiff_t>(together.rows().begin(e)) * grouped.vocab;
        auto const size = static_cast<std::ptrdiff_t>(alone.size()) * grouped.vocab;
        CHECK(logits_of(two.run(std::vector<std::vector<eg::token>>{alone})) == std::vector(begin, begin + size));
    }
}

TEMPLATE_TEST_CASE("a sweep has the bits of whole runs", "", ENGRAFT_TEST_FAST_BACKENDS) {
    auto const model = random_model<TestType>(12, threads<TestType>(2));
    auto const prompts = random_prompts(13, {7, 3, 30});
    auto const clean = model.run(prompts, eg::capture_for_sweeps<grouped>());
    auto const noise = model.run(random_prompts(14, {7, 3, 30}), eg::capture(eg::resid_pre));
    auto const policy_of = [&](int layer) { return eg::patch(eg::resid_pre, eg::layer(layer) & eg::at(-2), noise); };
    std::vector<eg::token> const answers{3, 60, 17};
    auto const found = eg::sweep(model, clean, eg::each_layer<grouped>(), policy_of, {eg::probability(answers)},
                                 {.read_at = {-1, -1, -1}});
    for (int layer = 0; layer < grouped.layers; ++layer) {
        auto const whole = model.run(prompts, policy_of(layer)).logits_at(-1).probability(answers);
        for (std::size_t e = 0; e < 3; ++e) {
            CHECK(found.of()[static_cast<std::size_t>(layer) * 3 + e] == whole[e]);
            CHECK(found.of()[static_cast<std::size_t>(layer) * 3 + e] != found.clean()[e]);
        }
    }
}
