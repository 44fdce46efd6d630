// Detectors of heads against their definition as matrices over kept attention patterns.

#include <cmath>
#include <vector>

#include "backends.hpp"
#include "catch.hpp"
#include "random_models.hpp"

namespace {

using matrix = std::vector<std::vector<double>>; // [query, key]

/// Ones where the detection patterns of TransformerLens have them: the same token before, shifted right for induction.
matrix detection(std::string const& name, std::vector<eg::token> const& tokens) {
    auto const n = tokens.size();
    matrix duplicate(n, std::vector<double>(n)), previous = duplicate, shifted = duplicate;
    for (std::size_t q = 0; q < n; ++q)
        for (std::size_t k = 0; k < n; ++k) {
            duplicate[q][k] = q != k && tokens[q] == tokens[k];
            previous[q][k] = q == k + 1;
        }
    for (std::size_t q = 0; q < n; ++q)
        for (std::size_t k = 1; k < n; ++k)
            shifted[q][k] = duplicate[q][k - 1];
    auto& chosen = name == "previous_token" ? previous : name == "duplicate_token" ? duplicate : shifted;
    for (std::size_t q = 0; q < n; ++q) // the lower triangle
        for (std::size_t k = q + 1; k < n; ++k)
            chosen[q][k] = 0;
    return chosen;
}

struct by_hand {
    std::vector<double> of_all, per_query;
};

template <class Run>
by_hand expected(Run const& run, eg::batch const& tokens, std::string const& name, eg::detect_options const& options) {
    by_hand found{std::vector<double>(3 * 4), std::vector<double>(3 * 4)};
    double examples = 0;
    for (std::size_t e = 0; e < tokens.examples(); ++e) {
        auto const n = tokens.rows().length(e);
        auto wanted = detection(name, tokens.sequence(e));
        for (std::size_t q = 0; q < n; ++q) {
            if (options.exclude_first)
                wanted[q][0] = 0;
            if (options.exclude_self)
                wanted[q][q] = 0;
        }
        double queries = 0;
        for (auto const& row : wanted)
            queries += std::any_of(row.begin(), row.end(), [](double x) { return x > 0; });
        examples += queries > 0;
        for (int l = 0; l < 3; ++l)
            for (int h = 0; h < 4; ++h) {
                double on = 0, all = 0;
                for (std::size_t q = 0; q < n; ++q) {
                    auto row = run[eg::pattern].slice(l, e, q, h);
                    if (options.exclude_first)
                        row[0] = 0;
                    if (options.exclude_self)
                        row[q] = 0;
                    for (std::size_t k = 0; k < n; ++k) {
                        on += wanted[q][k] * double(row[k]);
                        all += double(row[k]);
                    }
                }
                if (all > 0)
                    found.of_all[std::size_t(4 * l + h)] += on / all / double(tokens.examples());
                if (queries > 0)
                    found.per_query[std::size_t(4 * l + h)] += on / queries;
            }
    }
    for (double& x : found.per_query)
        x /= std::max(examples, 1.0);
    return found;
}

eg::batch repeated_prompts() {
    return std::vector<std::vector<eg::token>>{
        {5, 9, 9, 9, 2, 5, 9, 3}, {1}, {7, 8, 4, 7, 8, 4, 7, 8, 4}, {11, 12, 13, 14, 15}, {3, 3}};
}

} // namespace

TEMPLATE_TEST_CASE("detectors are their definition over attention patterns", "", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(3);
    auto const tokens = repeated_prompts();
    auto const run = model.run(tokens, eg::capture(eg::pattern));
    for (bool const first : {false, true})
        for (bool const self : {false, true}) {
            eg::detect_options const options{.exclude_first = first, .exclude_self = self};
            auto const found = eg::detect_heads(model, tokens, eg::head_patterns::all(), options);
            REQUIRE(found.size() == 3);
            for (auto const& scores : found) {
                INFO(scores.pattern << " first " << first << " self " << self);
                auto const there = expected(run, tokens, scores.pattern, options);
                for (int l = 0; l < 3; ++l)
                    for (int h = 0; h < 4; ++h) {
                        CHECK(std::abs(scores.of_all_at(l, h) - there.of_all[std::size_t(4 * l + h)]) < 1e-6);
                        CHECK(std::abs(scores.per_query_at(l, h) - there.per_query[std::size_t(4 * l + h)]) < 1e-6);
                        if (!first || scores.pattern == "induction")
                            CHECK(scores.per_query_at(l, h) > 0);
                    }
            }
            // In parts of one query each, to the bit.
            double last = 0;
            auto in_parts = options;
            in_parts.memory = 1;
            in_parts.progress = [&](double share) { last = share; };
            auto const parts = eg::detect_heads(model, tokens, eg::head_patterns::all(), in_parts);
            for (std::size_t p = 0; p < 3; ++p) {
                CHECK(parts[p].of_all == found[p].of_all);
                CHECK(parts[p].per_query == found[p].per_query);
            }
            CHECK(last == 1);
        }
}

TEST_CASE("patterns of one's own, and what is refused") {
    auto const model = random_model<eg::reference>(3);
    auto const tokens = repeated_prompts();
    auto const every_key = [](std::span<eg::token const> seen) {
        std::vector<std::size_t> keys(seen.size());
        for (std::size_t k = 0; k < keys.size(); ++k)
            keys[k] = k;
        return keys;
    };
    auto const all = eg::detect_heads(model, tokens, {{"everything", every_key}});
    for (double const x : all[0].of_all)
        CHECK(std::abs(x - 1) < 1e-12);
    auto const none = eg::detect_heads(model, tokens, {{"nothing", [](auto) { return std::vector<std::size_t>{}; }}});
    CHECK(none[0].per_query == std::vector<double>(12));

    using Catch::Matchers::ContainsSubstring;
    CHECK_THROWS_WITH(eg::detect_heads(model, tokens, {}), ContainsSubstring("no pattern"));
    CHECK_THROWS_WITH(eg::detect_heads(model, tokens, {{"ahead", [](auto seen) { return std::vector{seen.size()}; }}}),
                      ContainsSubstring("sees no such position"));
    CHECK_THROWS_AS(eg::detect_heads(model, tokens, eg::head_patterns::all(), {.memory = 0}), eg::bad_input);
    CHECK_THROWS_AS(all[0].of_all_at(3, 0), eg::bad_layer);
    CHECK_THROWS_AS(all[0].of_all_at(0, 4), eg::bad_head);
}
