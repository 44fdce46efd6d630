// Each policy against its definition, element by element.

#include <array>
#include <map>

#include "catch.hpp"
#include "random_models.hpp"

namespace {

auto const prompts = random_prompts(50, {6, 3, 8});
auto const other_prompts = random_prompts(51, {6, 3, 8});

/// a[i] and what is expected of it, to rounding.
template <class T>
void check_close(std::vector<T> const& is, std::vector<double> const& expected) {
    REQUIRE(is.size() == expected.size());
    for (std::size_t i = 0; i < is.size(); ++i)
        CHECK(double(is[i]) == Approx(expected[i]).epsilon(1e-5).margin(1e-6));
}

template <class T>
std::vector<double> doubles(std::vector<T> const& v) {
    return {v.begin(), v.end()};
}

/// Numbers that look like nothing in particular.
std::vector<double> some_numbers(std::uint64_t seed, std::size_t count) {
    eg::random r(seed);
    std::vector<double> numbers(count);
    for (auto& x : numbers)
        x = r.normal();
    return numbers;
}

} // namespace

TEMPLATE_TEST_CASE("mask blends: one weight per head in the order of where", "[mask]", eg::reference,
                   eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(60);
    auto const source = model.run(other_prompts, eg::capture(eg::z));
    auto const clean = model.run(prompts, eg::capture(eg::z));
    auto const masked = [&](std::vector<int> layers, std::vector<int> heads, std::vector<double> weights) {
        auto const where = eg::layers(std::move(layers)) & eg::heads(std::move(heads));
        return model.run(prompts, eg::mask(eg::z, where, std::move(weights), source) | eg::capture(eg::z));
    };
    // Layer 2 head 3, layer 2 head 1, layer 0 head 3, layer 0 head 1.
    auto const run = masked({2, 0}, {3, 1}, {1, 0, 0.25, 1});
    auto const first_only = masked({0}, {3, 1}, {0.25, 1});
    CHECK(run.fired()[0] == 4 * 17);
    for (std::size_t e = 0; e < 3; ++e) {
        auto const a = doubles(clean[eg::z].slice(0, e, -1, 3)), b = doubles(source[eg::z].slice(0, e, -1, 3));
        std::vector<double> blend;
        for (std::size_t i = 0; i < 8; ++i)
            blend.push_back(0.25 * a[i] + 0.75 * b[i]);
        check_close(run[eg::z].slice(0, e, -1, 3), blend);
        for (std::size_t h = 0; h < 3; ++h)
            CHECK(run[eg::z].slice(0, e, -1, h) == clean[eg::z].slice(0, e, -1, h));
        CHECK(run[eg::z].slice(2, e, -1, 1) == source[eg::z].slice(2, e, -1, 1));
        CHECK(run[eg::z].slice(2, e, -1, 3) == first_only[eg::z].slice(2, e, -1, 3));
        CHECK(run[eg::z].slice(2, e, -1, 3) != source[eg::z].slice(2, e, -1, 3));
    }

    // One weight for all; one per element of each head.
    CHECK(logits_of(masked({0, 1, 2}, {0, 1, 2, 3}, {1})) == logits_of(clean));
    std::vector<double> weights;
    for (int i = 0; i < 16; ++i)
        weights.push_back(i < 3 ? 0 : i < 6 ? 1 : i / 20.0);
    auto const elements = masked({0}, {2, 0}, weights);
    for (std::size_t h : {0u, 2u})
        for (std::size_t i = 0; i < 8; ++i) {
            double const w = weights[(h == 2 ? 0 : 8) + i];
            auto const is = elements[eg::z].slice(0, 2, 4, h)[i], a = clean[eg::z].slice(0, 2, 4, h)[i],
                       b = source[eg::z].slice(0, 2, 4, h)[i];
            CHECK(double(is) == Approx(w * double(a) + (1 - w) * double(b)).margin(1e-6));
            if (w == 0 || w == 1)
                CHECK(is == (w == 0 ? b : a));
        }
}

TEST_CASE("mask takes means too", "[mask]") {
    auto const model = random_model<eg::reference>(61);
    auto const means = eg::mean(model.run(other_prompts, eg::capture(eg::mlp_out)), eg::mlp_out);
    auto const clean = model.run(prompts, eg::capture(eg::mlp_out));
    auto const run =
        model.run(prompts, eg::mask(eg::mlp_out, eg::layer(0) & eg::at(-2), {0.5}, means) | eg::capture(eg::mlp_out));
    auto const mean = means.view(0); // [distances, d_model]
    for (std::size_t i = 0; i < 32; ++i)
        CHECK(run[eg::mlp_out].slice(0, 0, -2)[i] ==
              Approx(0.5 * clean[eg::mlp_out].slice(0, 0, -2)[i] + 0.5 * mean.data()[32 + i]));
}

TEMPLATE_TEST_CASE("freeze holds what it names while everything before it changes", "[freeze]", eg::reference,
                   eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(62);
    auto const clean = model.run(prompts, eg::capture(eg::z));
    auto const source = model.run(other_prompts, eg::capture(eg::z));
    // The first pass of path patching: one sender is patched, all other heads are held.
    auto const sender = eg::nodes({{1, 2}}) & eg::at(-1);
    auto const run = model.run(prompts, eg::patch(eg::z, sender, source) |
                                            eg::freeze(eg::z, eg::everywhere - sender, clean) | eg::capture(eg::z));
    CHECK(run.fired() == std::vector<std::size_t>{3, 3 * 4 * 17 - 3, 3 * 4 * 17});
    for (int layer = 0; layer < 3; ++layer)
        for (std::size_t e = 0; e < 3; ++e)
            for (std::size_t p = 0; p < prompts.rows().length(e); ++p)
                for (std::size_t h = 0; h < 4; ++h) {
                    bool const sends = layer == 1 && h == 2 && p + 1 == prompts.rows().length(e);
                    CHECK(run[eg::z].slice(layer, e, static_cast<long>(p), h) ==
                          (sends ? source : clean)[eg::z].slice(layer, e, static_cast<long>(p), h));
                }
    CHECK(logits_of(run) != logits_of(clean));
    CHECK(run.edited());
    CHECK_FALSE(clean.edited());
}

TEMPLATE_TEST_CASE("knockout removes pairs and renormalises", "[knockout]", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(63); // 4 query heads share 2 key/value heads
    auto const long_prompts = random_prompts(80, {6, 4, 8});
    auto const clean = model.run(long_prompts, eg::capture(eg::pattern, eg::scores));
    auto const run =
        model.run(long_prompts, eg::knockout(eg::layer(1) & eg::head(2), eg::at({-1, -2}), eg::at({0, 1})) |
                                    eg::capture(eg::pattern, eg::scores));
    CHECK(run.fired()[0] == 3 * 2 * 2); // examples, queries, keys
    for (std::size_t e = 0; e < 3; ++e)
        for (std::size_t p = 0; p < long_prompts.rows().length(e); ++p)
            for (std::size_t h = 0; h < 4; ++h) {
                auto const query = static_cast<long>(p);
                auto const before = doubles(clean[eg::pattern].slice(1, e, query, h)),
                           after = doubles(run[eg::pattern].slice(1, e, query, h));
                CHECK(std::accumulate(after.begin(), after.end(), 0.0) == Approx(1).epsilon(1e-5));
                if (h != 2 || p + 2 < before.size()) {
                    CHECK(after == before);
                    continue;
                }
                double left = 0;
                for (std::size_t t = 2; t < before.size(); ++t)
                    left += before[t];
                for (std::size_t t = 0; t < before.size(); ++t) {
                    if (t < 2)
                        CHECK(after[t] == 0);
                    else
                        CHECK(after[t] == Approx(before[t] / left).epsilon(1e-4).margin(1e-7));
                    if (t < 2)
                        CHECK(double(run[eg::scores].slice(1, e, query, h)[t]) ==
                              -std::numeric_limits<double>::infinity());
                }
            }
}

namespace {
inline constexpr eg::description windowed{.name = "windowed",
                                          .family = eg::family::mistral,
                                          .layers = 2,
                                          .d_model = 16,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 8,
                                          .d_mlp = 16,
                                          .vocab = 67,
                                          .window = 3,
                                          .window_layers = "10"};
} // namespace

TEST_CASE("a window hides keys from a knockout, and some key is always left", "[knockout]") {
    eg::model<windowed, eg::reference> const model(eg::random_weights<windowed, eg::reference>(64));
    eg::batch const prompt = random_prompts(65, {7});
    auto const run = [&](std::vector<int> layers, std::vector<long> queries, std::vector<long> keys) {
        return model.run(
            prompt, eg::knockout(eg::layers(std::move(layers)), eg::at(std::move(queries)), eg::at(std::move(keys))) |
                        eg::capture(eg::pattern));
    };
    using Catch::Matchers::ContainsSubstring;
    // Layer 0 sees three positions, layer 1 all: of the keys 3 and 4 the last query sees one there and both here.
    auto const both = run({0, 1}, {6}, {3, 4});
    CHECK(both.fired()[0] == 2 * (1 + 2));
    CHECK(both[eg::pattern].slice(0, 0, 6, 0)[4] == 0);
    CHECK(both[eg::pattern].slice(0, 0, 6, 0)[5] > 0);
    CHECK(both[eg::pattern].slice(1, 0, 6, 0)[3] == 0);
    CHECK(both[eg::pattern].slice(1, 0, 6, 0)[2] > 0);
    CHECK_THROWS_WITH(run({0}, {6}, {0, 3}), ContainsSubstring("engraft [policy.never_fired]: policy 0 of 2"));
    CHECK_THROWS_WITH(run({0}, {6}, {4, 5, 6}),
                      ContainsSubstring("engraft [knockout.everything]: position 6 of example 0 would see no position "
                                        "at all in layer 0, head 0"));
    CHECK(run({1}, {6}, {4, 5, 6}).fired()[0] == 6);
    CHECK_THROWS_WITH(run({1}, {0}, {0}), ContainsSubstring("engraft [knockout.everything]"));
    // Two that leave something each, and nothing together.
    auto const one = eg::knockout(eg::layer(0), eg::at(6), eg::at({4, 5})),
               two = eg::knockout(eg::layer(0), eg::at(6), eg::at({5, 6}));
    CHECK_NOTHROW(model.run(prompt, one | one));
    CHECK_THROWS_WITH(model.run(prompt, one | two), ContainsSubstring("engraft [knockout.everything]"));
    // An exception among the heads.
    auto const but = model.run(prompt, eg::knockout(eg::layer(0) - eg::head(1), eg::at(6), eg::at({4, 5})) |
                                           eg::capture(eg::pattern));
    CHECK(but.fired()[0] == 2);
    CHECK(but[eg::pattern].slice(0, 0, 6, 0)[6] == 1);
    CHECK(but[eg::pattern].slice(0, 0, 6, 1)[5] > 0);
}

TEMPLATE_TEST_CASE("steer adds a direction of a head or of a row", "[steer]", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(66);
    auto const clean = model.run(prompts, eg::capture(eg::z));
    auto const where = eg::layer(0) & eg::heads({1, 3}) & eg::at(-1);
    for (bool per_head : {true, false}) {
        auto const direction = some_numbers(67, per_head ? 8 : 32);
        auto const run = model.run(prompts, eg::steer(eg::z, where, direction, -2.5) | eg::capture(eg::z));
        for (std::size_t h = 0; h < 4; ++h) {
            auto expected = doubles(clean[eg::z].slice(0, 2, -1, h));
            if (h % 2 == 1)
                for (std::size_t i = 0; i < 8; ++i)
                    expected[i] += -2.5 * direction[per_head ? i : h * 8 + i];
            check_close(run[eg::z].slice(0, 2, -1, h), expected);
            CHECK(run[eg::z].slice(0, 2, 3, h) == clean[eg::z].slice(0, 2, 3, h));
        }
    }
}

TEMPLATE_TEST_CASE("scale is edit with a factor", "[scale][edit]", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(68);
    auto const where = eg::layers(0, 2) & eg::positions(-3);
    auto const scaled = model.run(prompts, eg::scale(eg::resid_pre, where, 0.3) | eg::capture(eg::resid_pre));
    auto const edited = model.run(prompts, eg::edit(eg::resid_pre, where, [](auto row) {
                                               for (auto& x : row)
                                                   x *= static_cast<typename TestType::value_type>(0.3);
                                           }) | eg::capture(eg::resid_pre));
    auto const clean = model.run(prompts, eg::capture(eg::resid_pre));
    CHECK(logits_of(scaled) == logits_of(edited));
    CHECK(scaled.fired() == std::vector<std::size_t>{2 * 9, 3 * 17});
    auto expected = doubles(clean[eg::resid_pre].slice(0, 0, -1));
    for (auto& x : expected)
        x *= 0.3;
    check_close(scaled[eg::resid_pre].slice(0, 0, -1), expected);
    CHECK(scaled[eg::resid_pre].slice(0, 0, 0) == clean[eg::resid_pre].slice(0, 0, 0));
}

TEMPLATE_TEST_CASE("a functor is told where its row stands", "[edit]", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(69);
    auto const number = [](eg::row_place const& at) {
        return double(at.layer) * 1000 + double(at.example) * 100 + double(at.position) * 10 + double(at.head);
    };
    auto const run = model.run(prompts, eg::edit(eg::z, eg::everywhere, [&](auto row, eg::row_place const& at) {
                                            row[0] = static_cast<typename TestType::value_type>(number(at));
                                        }) | eg::capture(eg::z));
    for (int layer = 0; layer < 3; ++layer)
        for (std::size_t e = 0; e < 3; ++e)
            for (std::size_t p = 0; p < prompts.rows().length(e); ++p)
                for (std::size_t h = 0; h < 4; ++h)
                    CHECK(double(run[eg::z].slice(layer, e, static_cast<long>(p), h)[0]) == number({layer, e, p, h}));
}

TEMPLATE_TEST_CASE("subspace exchanges the part that a basis spans", "[subspace]", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(70);
    auto const source = model.run(other_prompts, eg::capture(eg::resid_mid));
    auto const clean = model.run(prompts, eg::capture(eg::resid_mid));
    auto const place = eg::layer(1) & eg::at(-1);
    auto const run = [&](std::vector<std::vector<double>> basis) {
        return model.run(prompts,
                         eg::subspace(eg::resid_mid, place, std::move(basis), source) | eg::capture(eg::resid_mid));
    };
    std::vector<std::vector<double>> all(32, std::vector<double>(32));
    for (std::size_t i = 0; i < 32; ++i)
        all[i][i] = 1;
    auto const whole = run(all);
    for (std::size_t e = 0; e < 3; ++e)
        check_close(whole[eg::resid_mid].slice(1, e, -1), doubles(source[eg::resid_mid].slice(1, e, -1)));

    // One direction u: a + u (u . (b - a)).
    auto u = some_numbers(71, 32);
    double length = 0;
    for (double x : u)
        length += x * x;
    for (double& x : u)
        x /= std::sqrt(length);
    auto const one = run({u});
    for (std::size_t e = 0; e < 3; ++e) {
        auto expected = doubles(clean[eg::resid_mid].slice(1, e, -1));
        auto const b = source[eg::resid_mid].slice(1, e, -1);
        double along = 0;
        for (std::size_t i = 0; i < 32; ++i)
            along += u[i] * (double(b[i]) - expected[i]);
        for (std::size_t i = 0; i < 32; ++i)
            expected[i] += along * u[i];
        check_close(one[eg::resid_mid].slice(1, e, -1), expected);
        CHECK(one[eg::resid_mid].slice(1, e, 0) == clean[eg::resid_mid].slice(1, e, 0));
    }
}

TEMPLATE_TEST_CASE("tap sees what capture keeps, by layer, example, position, head", "[tap]", eg::reference,
                   eg::cpu<eg::fp32>) {
    using number = typename TestType::value_type;
    auto const model = random_model<TestType>(72);
    std::vector<std::array<std::size_t, 4>> seen;
    std::vector<std::vector<number>> rows;
    auto const look = [&](eg::activation_row<number const> row, eg::row_place const& at) {
        seen.push_back({std::size_t(at.layer), at.example, at.position, at.head});
        rows.emplace_back(row.begin(), row.end());
    };
    auto const where = eg::layers({2, 0}) & eg::heads({3, 1});
    auto const run = model.run(prompts, eg::tap(eg::z, where, look) | eg::capture(eg::z));
    CHECK(logits_of(run) == logits_of(model.run(prompts)));
    CHECK_FALSE(run.edited());
    CHECK(seen.size() == 4 * 17);
    CHECK(run.fired()[0] == seen.size());
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    for (std::size_t i = 0; i < seen.size(); ++i) {
        auto const [layer, example, position, head] = seen[i];
        CHECK((layer != 1 && head % 2 == 1));
        CHECK(rows[i] == run[eg::z].slice(int(layer), example, long(position), head));
    }
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEMPLATE_TEST_CASE("resampling takes another example, the same for all of one", "[resample]", eg::reference,
                   eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(73);
    auto const five = random_prompts(74, {6, 3, 8, 4, 5});
    auto const source = model.run(random_prompts(75, {6, 3, 8, 4, 5}), eg::capture(eg::z));
    auto const run = [&](std::uint64_t seed) {
        return model.run(five, eg::ablate(eg::z, eg::positions(-3), eg::resample{source, seed}) | eg::capture(eg::z));
    };
    std::vector<std::vector<std::size_t>> drawn;
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        auto const out = run(seed);
        drawn.emplace_back();
        for (std::size_t e = 0; e < 5; ++e) {
            std::vector<std::size_t> matches;
            for (std::size_t o = 0; o < 5; ++o) {
                bool same = true;
                for (int layer = 0; layer < 3; ++layer)
                    for (long p = -3; p < 0; ++p)
                        for (std::size_t h = 0; h < 4; ++h)
                            same = same && out[eg::z].slice(layer, e, p, h) == source[eg::z].slice(layer, o, p, h);
                if (same)
                    matches.push_back(o);
            }
            REQUIRE(matches.size() == 1);
            CHECK(matches[0] != e);
            drawn.back().push_back(matches[0]);
        }
    }
    for (std::size_t e = 0; e < 5; ++e) { // every other example comes up
        std::map<std::size_t, int> times;
        for (auto const& d : drawn)
            ++times[d[e]];
        CHECK(times.size() >= 3);
    }
    CHECK(logits_of(run(3)) == logits_of(run(3)));
}

TEST_CASE("where: positions of each example, some examples, exceptions, conditions", "[where]") {
    auto const model = random_model<eg::reference>(76);
    auto const clean = model.run(prompts, eg::capture(eg::attn_out));
    using places = std::vector<std::vector<long>>;
    auto const zeros = [&](auto const& where, std::size_t fired) {
        auto const run = model.run(prompts, eg::ablate(eg::attn_out, where) | eg::capture(eg::attn_out));
        places zero(3);
        for (std::size_t e = 0; e < 3; ++e)
            for (long p = 0; p < static_cast<long>(prompts.rows().length(e)); ++p)
                if (run[eg::attn_out].slice(0, e, p) == std::vector<double>(32, 0.0))
                    zero[e].push_back(p);
        CHECK(run.fired()[0] == fired);
        return zero;
    };
    auto const first = eg::layer(0);
    CHECK(zeros(first & eg::at_each({{0, -1}, {}, {3, 3, 2}}), 4) == places{{0, 5}, {}, {2, 3}});
    CHECK(zeros(first & eg::examples({2, 1}) & eg::at(-1), 2) == places{{}, {2}, {7}});
    CHECK(zeros((first & eg::positions(-2)) - eg::at(-1), 3) == places{{4}, {1}, {6}});
    CHECK(zeros(eg::layers(0, 2) & (eg::positions(-2) - (first & eg::examples({0}))), 10) ==
          places{{}, {1, 2}, {6, 7}});
    // What is excepted from an exception is there again.
    CHECK(zeros((first & eg::positions(0, 3)) - (eg::positions(1, 3) - eg::at(2)), 6) ==
          places{{0, 2}, {0, 2}, {0, 2}});
    // A condition on values: those rows whose first element is positive, at two of the examples.
    places positive(3);
    std::size_t count = 0;
    for (std::size_t e : {0u, 2u})
        for (long p = 0; p < static_cast<long>(prompts.rows().length(e)); ++p)
            if (clean[eg::attn_out].slice(0, e, p)[0] > 0)
                positive[e].push_back(p), ++count;
    REQUIRE(count > 0);
    REQUIRE(count < 14);
    CHECK(zeros(first & eg::examples({0, 2}) & eg::when([](auto row) { return row[0] > 0; }), count) == positive);
    // A condition on the place; it is not asked about other places.
    auto const even = [](auto, eg::row_place const& at) { return at.position % 2 == 0 && at.layer == 0; };
    CHECK(zeros(eg::positions(0, 3) & eg::when(even), 6) == places{{0, 2}, {0, 2}, {0, 2}});
}

TEST_CASE("every policy says how often it acted, and must unless it may not", "[fired]") {
    auto const model = random_model<eg::reference>(77);
    auto const never = eg::when([](auto) { return false; });
    auto const some = eg::ablate(eg::z, eg::layer(1) & eg::head(0));
    auto const none = eg::ablate(eg::z, eg::everywhere & never);
    CHECK(model.run(prompts).fired().empty());
    CHECK(model.run(prompts, some | eg::capture(eg::embed, eg::z, eg::k)).fired() ==
          std::vector<std::size_t>{17, 17 + 3 * 17 * (4 + 2)}); // sites of both kinds in one capture
    CHECK_THROWS_WITH(model.run(prompts, some | none),
                      Catch::Matchers::ContainsSubstring("engraft [policy.never_fired]: policy 1 of 2"));
    CHECK(model.run(prompts, some | eg::may_not_fire(none)).fired() == std::vector<std::size_t>{17, 0});
    auto const allowed = model.run(prompts, eg::may_not_fire(some | none));
    CHECK(allowed.fired() == std::vector<std::size_t>{17, 0});
    CHECK(logits_of(allowed) == logits_of(model.run(prompts, some)));
    // No place at all, a knockout of what is hidden anyway.
    auto const nowhere = eg::ablate(eg::z, eg::layers(1, 1));
    CHECK(model.run(prompts, eg::may_not_fire(nowhere)).fired() == std::vector<std::size_t>{0});
    auto const hidden = eg::knockout(eg::everywhere, eg::at(0), eg::at(1));
    CHECK_THROWS_WITH(model.run(prompts, hidden), Catch::Matchers::ContainsSubstring("engraft [policy.never_fired]"));
    CHECK(model.run(prompts, eg::may_not_fire(hidden)).fired() == std::vector<std::size_t>{0});
}

TEMPLATE_TEST_CASE("the first layers alone give the bits of a whole run", "[first_layers]", eg::reference,
                   eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(78);
    auto const policy = eg::scale(eg::resid_pre, eg::layer(1), 0.5) | eg::capture(eg::resid_post, eg::z);
    auto const whole = model.run(prompts, policy);
    auto const two = model.run(prompts, policy, eg::first_layers{2});
    for (int layer = 0; layer < 2; ++layer) {
        CHECK(two[eg::resid_post].whole(layer).size() == 17 * 32);
        for (std::size_t e = 0; e < 3; ++e)
            for (long p = 0; p < static_cast<long>(prompts.rows().length(e)); ++p) {
                CHECK(two[eg::resid_post].slice(layer, e, p) == whole[eg::resid_post].slice(layer, e, p));
                CHECK(two[eg::z].slice(layer, e, p, 3) == whole[eg::z].slice(layer, e, p, 3));
            }
    }
    CHECK(two.fired() == std::vector<std::size_t>{17, 2 * 17 * (1 + 4)});
    using Catch::Matchers::ContainsSubstring;
    CHECK_THROWS_WITH(two[eg::z].slice(2, 0, 0, 0), ContainsSubstring("engraft [cache.layer]"));
    for (int count : {0, -1, 4})
        CHECK_THROWS_WITH(model.run(prompts, policy, eg::first_layers{count}),
                          ContainsSubstring("engraft [first_layers.count]: the first " + std::to_string(count)));
    CHECK_THROWS_WITH(model.run(prompts, policy, eg::first_layers{1}),
                      ContainsSubstring("engraft [policy.after_last_layer]: policy 0"));
    CHECK(logits_of(model.run(prompts, policy)) == logits_of(whole));
}

TEST_CASE("what only values can tell of a policy is refused with its id", "[refused]") {
    auto const model = random_model<eg::reference>(79);
    auto const clean = model.run(prompts, eg::capture(eg::z));
    auto const other = model.run(other_prompts, eg::capture(eg::z));
    auto const edited = model.run(prompts, eg::scale(eg::z, eg::layer(0), 2) | eg::capture(eg::z));
    auto const refused = [&](auto const& policy, char const* sentence) {
        CHECK_THROWS_WITH(model.run(prompts, policy), Catch::Matchers::ContainsSubstring(sentence));
    };
    auto const head = eg::layer(1) & eg::head(2);
    // freeze
    refused(eg::freeze(eg::z, eg::layer(1), other), "engraft [freeze.clean]");
    refused(eg::freeze(eg::z, eg::layer(1), edited), "engraft [freeze.clean]");
    auto const twin = random_model<eg::reference>(79);
    CHECK_THROWS_WITH(twin.run(prompts, eg::freeze(eg::z, eg::layer(1), clean)),
                      Catch::Matchers::ContainsSubstring("engraft [patch.same_model]"));
    refused(eg::freeze(eg::z, eg::layer(1), clean) | eg::scale(eg::z, head & eg::at(-1), 2),
            "engraft [freeze.overlap]: position 5 of example 0, layer 1, head 2 is both held and written to");
    refused(eg::scale(eg::z, head & eg::at(-1), 2) | eg::freeze(eg::z, eg::layer(1), clean),
            "engraft [freeze.overlap]");
    auto const scores = model.run(prompts, eg::capture(eg::scores));
    refused(eg::freeze(eg::scores, head, scores) | eg::knockout(head, eg::at(-1), eg::at(0)),
            "engraft [freeze.overlap]");
    // mask
    for (std::size_t count : {0u, 2u, 7u, 9u})
        refused(eg::mask(eg::z, head, std::vector<double>(count, 0.5), other), "engraft [mask.weights]");
    refused(eg::mask(eg::z, eg::nodes({{1, 2}, {0, 1}, {1, 2}}), {0.1, 0.2, 0.3}, other),
            "engraft [mask.weights]: head 2 of layer 1 is named twice");
    auto const outputs = model.run(other_prompts, eg::capture(eg::mlp_out));
    refused(eg::mask(eg::mlp_out, eg::layers({0, 1}), {0.5, 1, 0}, outputs),
            "3 weights are given for 2 layers of mlp_out; give 1, or one per layer in the order of where");
    refused(eg::mask(eg::mlp_out, eg::layers({1, 1}), {0.5, 1}, outputs),
            "engraft [mask.weights]: layer 1 is named twice");
    // steer, subspace
    refused(eg::steer(eg::z, head, some_numbers(1, 9)), "engraft [steer.width]: the direction has 9 elements; a row of "
                                                        "z has 4 heads of 8, so give 8 elements for every "
                                                        "chosen head, or 32 to give each head its own 8");
    refused(eg::steer(eg::resid_mid, eg::everywhere, {}),
            "engraft [steer.width]: the direction has 0 elements; a row of resid_mid has 32, so give 32");
    using basis = std::vector<std::vector<double>>;
    auto const direction = [](std::size_t width, std::size_t i, double x) {
        std::vector<double> v(width);
        v[i] = x;
        return v;
    };
    refused(eg::subspace(eg::z, head, basis{direction(32, 0, 1)}, other), "engraft [subspace.width]");
    refused(eg::subspace(eg::z, head, basis{}, other), "engraft [subspace.width]");
    refused(eg::subspace(eg::z, head, basis{direction(8, 0, 0.9)}, other), "engraft [subspace.orthonormal]");
    refused(eg::subspace(eg::z, head, basis{direction(8, 0, 1), direction(8, 0, 1)}, other),
            "engraft [subspace.orthonormal]: the product of basis vectors 1 and 0 is not 0");
    refused(eg::subspace(eg::z, head, basis{direction(8, 0, std::nan(""))}, other), "engraft [subspace.orthonormal]");
    // resample: example 2 is the longest, so that nothing is as far from another one's end as its first position
    refused(eg::ablate(eg::z, eg::at(0), eg::resample{other}),
            "engraft [resample.none]: no other example of the source run has 8 positions, which example 2 needs");
    // where
    refused(eg::ablate(eg::z, eg::at_each({{0}, {0}})), "engraft [where.positions]");
    refused(eg::ablate(eg::z, eg::at_each({{0}, {3}, {0}})), "engraft [where.position]: example 1 has 3 positions");
    refused(eg::ablate(eg::z, eg::at_each({{}, {}, {}})), "engraft [where.nothing]");
    refused(eg::ablate(eg::z, eg::examples({3})), "engraft [where.example]: example 3 was asked for; the batch has 3");
    refused(eg::ablate(eg::z, eg::positions(0, -4)), "engraft [where.position]");
    refused(eg::ablate(eg::z, head - eg::layer(1)), "engraft [where.nothing]");
    refused(eg::ablate(eg::z, eg::everywhere - eg::layer(3)), "engraft [where.layer]");
}
