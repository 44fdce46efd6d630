// A run that touches few lines of attention makes those alone, and its numbers are those of one that makes all.

#include <fstream>
#include <string>

#include "backends.hpp"
#include "catch.hpp"
#include "law/families.hpp"
#include "random_models.hpp"

namespace {

struct nothing {
    void operator()(auto const&) const {}
};

/// Runs under a policy, and under one that makes all lines besides.
template <class Model, class Policy>
auto in_both_ways(Model const& model, eg::batch const& tokens, Policy const& policy) {
    return std::pair{model.run(tokens, policy),
                     model.run(tokens, policy | eg::tap(eg::pattern, eg::everywhere, nothing{}))};
}

template <eg::description const& D, class Backend>
void check_lines() {
    eg::model<D, Backend> const model(eg::random_weights<D, Backend>(90));
    std::vector<std::size_t> const lengths{9, 3, 12};
    std::vector<std::vector<eg::token>> prompts, others;
    eg::random draw(91);
    for (auto n : lengths)
        for (auto* to : {&prompts, &others}) {
            to->emplace_back();
            for (std::size_t i = 0; i < n; ++i)
                to->back().push_back(static_cast<eg::token>(draw.below(static_cast<std::uint64_t>(D.vocab))));
        }

    // What is kept.
    auto const kept = in_both_ways(model, prompts,
                                   eg::capture(eg::pattern, eg::layer(1) & eg::at(-1)) |
                                       eg::capture(eg::scores, eg::at_each({{-1, 2}, {}, {-2}})));
    auto const whole = model.run(prompts, eg::capture(eg::pattern, eg::scores));
    CHECK(logits_of(kept.first) == logits_of(kept.second));
    CHECK(logits_of(kept.first) == logits_of(model.run(prompts)));
    for (std::size_t h = 0; h < static_cast<std::size_t>(D.heads); ++h) {
        for (std::size_t e = 0; e < lengths.size(); ++e)
            CHECK(kept.first[eg::pattern].slice(1, e, -1, h) == whole[eg::pattern].slice(1, e, -1, h));
        for (int layer = 0; layer < D.layers; ++layer) {
            CHECK(kept.first[eg::scores].slice(layer, 0, 2, h) == whole[eg::scores].slice(layer, 0, 2, h));
            CHECK(kept.first[eg::scores].slice(layer, 2, -2, h) == whole[eg::scores].slice(layer, 2, -2, h));
        }
    }
    CHECK_THROWS_AS(kept.first[eg::pattern].slice(1, 0, 2, 0), eg::missing_activation);

    // What is changed, in the order of the sites, under a condition, and shown though it was hidden.
    auto const source = model.run(others, eg::capture(eg::pattern, eg::at({-1, -3})));
    auto const evenly = [](auto row) {
        for (auto& x : row)
            x = 1 / static_cast<std::remove_reference_t<decltype(x)>>(row.size());
    };
    auto const loud = eg::when([](auto row) { return row[0] > 0; });
    auto const last_head = eg::head(D.heads - 1);
    auto const changed =
        in_both_ways(model, prompts,
                     eg::knockout(eg::layers(0, 2), eg::at(-1), eg::at(-2)) |
                         eg::patch(eg::pattern, eg::layer(0) & eg::at(-3), source) |
                         eg::edit(eg::pattern, eg::layer(1) & eg::head(0) & eg::at(-2), evenly) |
                         eg::scale(eg::scores, last_head & eg::at(-1), 0.5) |
                         eg::may_not_fire(eg::scale(eg::pattern, eg::layer(1) & eg::at(-1) & loud, 0.25)) |
                         eg::capture(eg::scores, eg::at(-1)) | eg::capture(eg::z));
    CHECK(logits_of(changed.first) == logits_of(changed.second));
    CHECK(logits_of(changed.first) != logits_of(kept.first));
    auto fired = changed.second.fired();
    fired.pop_back();
    CHECK(changed.first.fired() == fired);
    for (int layer = 0; layer < D.layers; ++layer) {
        CHECK(eg::to_host(changed.first[eg::z].whole(layer)) == eg::to_host(changed.second[eg::z].whole(layer)));
        CHECK(changed.first[eg::scores].slice(layer, 2, -1, 0) == changed.second[eg::scores].slice(layer, 2, -1, 0));
    }
}

} // namespace

TEMPLATE_TEST_CASE("lines of attention have the bits of whole patterns", "", ENGRAFT_TEST_BACKENDS) {
    check_lines<families::gemma2, TestType>(); // with a window and a cap
#ifndef ENGRAFT_TEST_OTHER_BACKENDS
    check_lines<grouped, TestType>();
#endif
}

#if defined(__linux__) && !defined(ENGRAFT_TEST_OTHER_BACKENDS)
namespace {
/// The most memory that the process has had since `forget`, in bytes.
double peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (word == "VmHWM:") {
            double kilobytes = 0;
            status >> kilobytes;
            return kilobytes * 1024;
        }
    return 0;
}
bool forget() { return static_cast<bool>(std::ofstream("/proc/self/clear_refs") << "5" << std::flush); }
} // namespace

TEST_CASE("one line of a long prompt's attention does not take the memory of all") {
    auto const model = random_model<eg::cpu<eg::fp32>>(92);
    auto const prompt = random_prompts(93, {3000});
    double const whole = 4.0 * grouped.heads * 3000 * 3000; // bytes of a layer's pattern
    auto const taken = [&](auto const& policy) {
        if (!forget())
            return 0.0;
        auto const before = peak_memory();
        model.run(prompt, policy);
        return peak_memory() - before;
    };
    CHECK(taken(eg::capture(eg::pattern, eg::layer(1) & eg::at(-1))) < whole / 8);
    CHECK(taken(eg::knockout(eg::layer(1) & eg::head(2), eg::at(-1), eg::at(0))) < whole / 8);
    CHECK(taken(eg::ablate(eg::pattern, eg::layer(2) & eg::head(0) & eg::at({-1, -2}))) < whole / 8);
}
#endif
