// Numbers that are none: refused where a policy gets them, and in logits where these are read.

#include <limits>
#include <string>
#include <vector>

#include "backends.hpp"
#include "catch.hpp"
#include "random_models.hpp"

namespace {

using Catch::Matchers::ContainsSubstring;

constexpr double not_one = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
std::vector<eg::token> const answers{3, 60, 17};

/// Logits of rows that a test writes.
template <class Backend>
eg::logit_rows<Backend> rows_of(std::vector<std::vector<double>> const& rows) {
    std::vector<typename Backend::value_type> all;
    for (auto const& row : rows)
        all.insert(all.end(), row.begin(), row.end());
    using table = typename eg::logit_rows<Backend>::table;
    return {Backend{}, table::from_host(all, eg::extents<eg::dynamic, eg::dynamic>(rows.size(), rows[0].size()))};
}

/// Writes numbers into the logits of one position of one example.
struct writes {
    std::vector<std::pair<std::size_t, double>> numbers;
    std::size_t example = 1;

    template <class T>
    void operator()(eg::activation_row<T> row, eg::row_place const& at) const {
        if (at.example == example)
            for (auto const& [column, x] : numbers)
                row[column] = static_cast<T>(x);
    }
};

} // namespace

TEMPLATE_TEST_CASE("logits that are NaN or +infinity are refused when they are read", "", ENGRAFT_TEST_BACKENDS) {
    std::vector<double> long_row(41, 0.5), late = long_row;
    late[37] = not_one;
    for (auto const& bad : std::vector<std::vector<double>>{std::vector<double>(41, not_one), late,
                                                            [&] {
                                                                auto r = long_row;
                                                                r[0] = not_one;
                                                                return r;
                                                            }(),
                                                            [&] {
                                                                auto r = long_row;
                                                                r[20] = inf;
                                                                return r;
                                                            }(),
                                                            std::vector<double>(41, -inf)}) {
        auto const logits = rows_of<TestType>({long_row, bad});
        auto const says = ContainsSubstring("engraft [logits.finite]: the logits of row 1 hold NaN");
        CHECK_THROWS_AS(logits.top(), eg::bad_input);
        CHECK_THROWS_WITH(logits.top(), says);
        CHECK_THROWS_WITH(logits.top(1, 5), says);
        CHECK_THROWS_WITH(logits.probability({1, 1}), says);
        CHECK_THROWS_WITH(logits.log_sum_exp(), says);
        CHECK_THROWS_WITH(accuracy(logits, {0, 0}), says);
        CHECK(logits.top(0, 2) == std::vector<eg::token>{0, 1});
        CHECK(rows_of<TestType>({long_row}).of({1}) == std::vector<double>{0.5});
    }
    CHECK_THROWS_WITH(rows_of<TestType>({late}).of({37}), ContainsSubstring("[logits.finite]"));
    CHECK_THROWS_WITH(rows_of<TestType>({{inf, 0}}).of({0}), ContainsSubstring("[logits.finite]"));
}

TEMPLATE_TEST_CASE("masked logits are read as masked", "", ENGRAFT_TEST_BACKENDS) {
    auto const logits = rows_of<TestType>({{-inf, 1, 2, -inf}});
    CHECK(logits.top() == std::vector<eg::token>{2});
    CHECK(logits.top(0, 3) == std::vector<eg::token>{2, 1, 0});
    CHECK(logits.of({0}) == std::vector<double>{-inf});
    CHECK(logits.probability({0}) == std::vector<double>{0});
    CHECK(logits.probability({2})[0] == Approx(1 / (1 + std::exp(-1))));
    CHECK(accuracy(logits, {2}) == 1);
    CHECK(eg::kl_divergence(eg::log_softmax(std::vector{-inf, 0.0}), eg::log_softmax(std::vector{-inf, 3.0})) == 0);
    CHECK(eg::kl_divergence(eg::log_softmax(std::vector{0.0, 0.0}), eg::log_softmax(std::vector{-inf, 3.0})) == inf);
    CHECK(std::isnan(
        eg::kl_divergence(eg::log_softmax(std::vector{-inf, 0.0}), eg::log_softmax(std::vector{not_one, 0.0}))));
}

TEMPLATE_TEST_CASE("answers outside the vocabulary, too few or too many, are refused", "", ENGRAFT_TEST_BACKENDS) {
    auto const logits = rows_of<TestType>({{0, 1}, {1, 0}});
    CHECK(accuracy(logits, {1, 1}) == 0.5);
    CHECK_THROWS_WITH(accuracy(logits, {1, 2}), ContainsSubstring("token 2 is not in the vocabulary of 2"));
    CHECK_THROWS_WITH(accuracy(logits, {1, -1}), ContainsSubstring("token -1 is not in the vocabulary of 2"));
    CHECK_THROWS_WITH(accuracy(logits, {1}), ContainsSubstring("1 tokens were given for the logits of 2 rows"));
}

TEMPLATE_TEST_CASE("a sweep names the case whose metric is NaN", "", ENGRAFT_TEST_BACKENDS) {
    auto const model = random_model<TestType>(12);
    auto const prompts = random_prompts(13, {7, 3, 9});
    auto const clean = model.run(prompts, eg::capture_for_sweeps<grouped>());
    auto const found = [&](writes const& w, eg::metric const& of) {
        eg::table<int> const entries{{{"entry", 2}}, {0, 1}};
        return eg::sweep(model, clean, entries,
                         [&](int e) { return eg::edit(eg::logits, eg::at(-1), e ? w : writes{}); }, {of})
            .of();
    };
    auto const last = std::size_t(grouped.vocab) - 1;
    for (auto const &of : {eg::accuracy(answers), eg::probability(answers), eg::log_probability(answers),
                           eg::kl_to_clean(), eg::reading("mine", [](auto row, auto) { return row[0]; })})
        for (double x : {not_one, inf}) {
            CHECK_THROWS_AS(found({{{last, x}}}, of), eg::bad_input);
            CHECK_THROWS_WITH(found({{{last, x}}}, of),
                              ContainsSubstring("engraft [logits.finite]: the metric " + of.name +
                                                " of example 1 in entry 1 of the sweep is not a number: "));
        }
    for (auto const& of : {eg::logit(answers), eg::logit_difference(answers, {0, 0, 0})}) {
        CHECK_NOTHROW(found({{{last, not_one}}}, of)); // not read
        CHECK_THROWS_WITH(found({{{60, not_one}}}, of), ContainsSubstring("of example 1 in entry 1"));
        CHECK_THROWS_WITH(found({{{60, inf}}}, of), ContainsSubstring("of example 1 in entry 1"));
    }
    CHECK_THROWS_WITH(found({{{60, -inf}, {0, -inf}}}, eg::logit_difference(answers, {0, 0, 0})),
                      ContainsSubstring("[logits.finite]"));
    CHECK_THROWS_WITH(found({}, eg::reading("mine", [](auto, std::size_t e) { return e == 2 ? not_one : 0; })),
                      ContainsSubstring("mine of example 2 in the clean run is not a number: its function gave NaN"));
    CHECK(found({{{60, -inf}}}, eg::logit(answers))[4] == -inf);
    CHECK(found({{{60, -inf}}}, eg::log_probability(answers))[4] == -inf);
    CHECK(found({{{60, -inf}}}, eg::probability(answers))[4] == 0);
    CHECK(found({{{60, -inf}}}, eg::accuracy(answers))[4] == 0);
    CHECK(found({{{60, -inf}}}, eg::kl_to_clean())[4] == inf);
}

TEMPLATE_TEST_CASE("a policy's numbers are finite", "", ENGRAFT_TEST_FAST_BACKENDS) {
    auto const model = random_model<TestType>(12);
    auto const prompts = random_prompts(13, {7, 3, 9});
    auto const source = model.run(prompts, eg::capture(eg::z));
    for (double x : {not_one, inf, -inf, 1e39}) {
        auto const says = ContainsSubstring("engraft [policy.finite]: ");
        std::vector<double> direction(32, 1.0), basis(8, 0.0);
        direction[7] = x, basis[0] = x == 1e39 ? inf : x;
        std::array<double, 32> fixed{};
        fixed[31] = x;
        CHECK_THROWS_AS(eg::steer(eg::resid_pre, eg::layer(1), direction), eg::bad_input);
        CHECK_THROWS_WITH(eg::steer(eg::resid_pre, eg::layer(1), direction),
                          ContainsSubstring("[policy.finite]: element 7 of steer's direction is "));
        CHECK_THROWS_WITH(eg::steer(eg::resid_pre, eg::layer(1), fixed), says);
        CHECK_THROWS_WITH(eg::steer(eg::resid_pre, eg::layer(1), std::vector<double>(32, 1.0), x), says);
        CHECK_THROWS_WITH(eg::scale(eg::z, eg::layer(1), x),
                          ContainsSubstring("[policy.finite]: the factor of scale is "));
        CHECK_THROWS_WITH(eg::ablate(eg::z, eg::layer(1), x), says);
        CHECK_THROWS_WITH(eg::mask(eg::z, eg::layer(1), {x}, source), says);
        CHECK_THROWS_WITH(eg::mask(eg::z, eg::layer(1), {x}, eg::mean(source, eg::z)), says);
        CHECK_THROWS_WITH(
            model.run(prompts, eg::subspace(eg::z, eg::layer(1), {basis}, source)),
            ContainsSubstring("[subspace.orthonormal]: basis vector 0 has a number that is NaN or infinite"));
        CHECK_THROWS_WITH(model.run(prompts, eg::mask_directions(eg::z, eg::layer(1), {basis}, {0.5}, source)),
                          ContainsSubstring("[subspace.orthonormal]"));
        CHECK_THROWS_WITH(
            eg::gradient(model, prompts, eg::identity, eg::capture(eg::z), eg::logit(answers), {.weights = {1, x, 1}}),
            says);
    }
    CHECK_NOTHROW(eg::ablate(eg::scores, eg::layer(1), -inf)); // a mask
    CHECK_NOTHROW(eg::ablate(eg::logits, eg::everywhere, -inf));
    CHECK_THROWS(eg::ablate(eg::scores, eg::layer(1), inf));
    auto const broken =
        model.run(prompts, eg::edit(eg::z, eg::layer(0), [](auto row) { row[0] = NAN; }) | eg::capture(eg::z));
    CHECK_THROWS_WITH(eg::mean(broken, eg::z), ContainsSubstring("of the means of z of layer 0 is NaN"));
}

TEST_CASE("a relative change needs a clean value other than 0") {
    eg::sweep_result found({{"entry", 2}}, 2, {eg::probability({1, 1})});
    for (std::size_t i = 0; i < 4; ++i)
        found.set(0, i / 2, i % 2, 0.5);
    found.set_clean(0, 0, 0.25);
    found.set_clean(0, 1, 0.5);
    CHECK(found.relative_change() == std::vector<double>{0.5, 0.5});
    found.set_clean(0, 1, 0);
    CHECK_THROWS_AS(found.relative_change(), eg::bad_input);
    CHECK_THROWS_WITH(found.relative_change(),
                      ContainsSubstring("engraft [sweep.change]: the clean probability of example 1 is 0"));
}
