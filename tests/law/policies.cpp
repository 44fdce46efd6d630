// Policies against what they are said to do.

#include "catch.hpp"
#include "random_models.hpp"

namespace {
using namespace std::string_literals;
auto const prompts = random_prompts(20, {6, 3, 8});
auto const other_prompts = random_prompts(21, {6, 3, 8});
} // namespace

TEMPLATE_TEST_CASE("of two patches at one place the right one wins", "", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(22);
    auto const first = model.run(other_prompts, eg::capture(eg::z, eg::resid_mid));
    auto const second = model.run(random_prompts(23, {6, 3, 8}), eg::capture(eg::z, eg::resid_mid));
    auto const place = eg::layer(1) & eg::at(-1);
    auto const a = eg::patch(eg::z, place, first), b = eg::patch(eg::z, place, second);
    auto const only_a = logits_of(model.run(prompts, a)), only_b = logits_of(model.run(prompts, b));
    CHECK(only_a != only_b);
    CHECK(logits_of(model.run(prompts, a | b)) == only_b);
    CHECK(logits_of(model.run(prompts, b | a)) == only_a);
    // Between sites the forward order decides, however it was written.
    auto const later = eg::patch(eg::resid_mid, eg::layer(2), first);
    CHECK(logits_of(model.run(prompts, a | later)) == logits_of(model.run(prompts, later | a)));
    static_assert(std::is_same_v<decltype((a | b) | later), decltype(a | (b | later))>);
}

TEMPLATE_TEST_CASE("a patch reaches the places it names and no other", "", eg::reference) {
    auto const model = random_model<TestType>(24);
    auto const source = model.run(other_prompts, eg::capture(eg::z));
    auto const clean = model.run(prompts, eg::capture(eg::z));
    auto const where = eg::layers(0, 2) & eg::heads({1, 3}) & eg::at(eg::role{"chosen", {2, 0, -3}, {}});
    auto const patched = model.run(prompts, eg::patch(eg::z, where, source) | eg::capture(eg::z));
    std::vector<std::size_t> const chosen{2, 0, 5};
    for (std::size_t e = 0; e < 3; ++e)
        for (std::size_t p = 0; p < prompts.rows().length(e); ++p)
            for (std::size_t h = 0; h < 4; ++h) {
                bool const here = p == chosen[e] && (h == 1 || h == 3);
                auto const now = patched[eg::z].slice(0, e, static_cast<long>(p), h);
                CHECK(now == (here ? source : clean)[eg::z].slice(0, e, static_cast<long>(p), h));
                if (here)
                    CHECK(patched[eg::z].slice(1, e, static_cast<long>(p), h) ==
                          source[eg::z].slice(1, e, static_cast<long>(p), h));
            }
    // The last layer was not named: what it computes follows from what it gets.
    CHECK(patched[eg::z].slice(2, 0, -1, 0) != source[eg::z].slice(2, 0, -1, 0));
}

TEST_CASE("positions count from either end, to the end where no last one is given") {
    auto const model = random_model<eg::reference>(40);
    auto const zeros = [&](auto const& where) {
        auto const run = model.run(prompts, eg::ablate(eg::attn_out, where) | eg::capture(eg::attn_out));
        std::vector<std::vector<long>> zero(3);
        for (std::size_t e = 0; e < 3; ++e)
            for (long p = 0; p < static_cast<long>(prompts.rows().length(e)); ++p)
                if (run[eg::attn_out].slice(0, e, p) == std::vector<double>(32, 0.0))
                    zero[e].push_back(p);
        return zero;
    };
    using list = std::vector<std::vector<long>>;
    CHECK(zeros(eg::at(-1)) == list{{5}, {2}, {7}});
    CHECK(zeros(eg::at({0, -1})) == list{{0, 5}, {0, 2}, {0, 7}});
    CHECK(zeros(eg::positions(-2)) == list{{4, 5}, {1, 2}, {6, 7}});
    CHECK(zeros(eg::positions(1, -1)) == list{{1, 2, 3, 4}, {1}, {1, 2, 3, 4, 5, 6}});
    CHECK(zeros(eg::positions(0, 2)) == list{{0, 1}, {0, 1}, {0, 1}});
}

TEMPLATE_TEST_CASE("a role of another prompt is looked up at its places there", "", eg::reference) {
    auto const model = random_model<TestType>(25);
    auto const source = model.run(other_prompts, eg::capture(eg::attn_out, eg::positions(0, 2)));
    eg::role const here{"here", {3, 2, 7}, {}}, there{"there", {0, 1, 1}, {}};
    auto const patched =
        model.run(prompts, eg::patch(eg::attn_out, eg::at(here.from(there)), source) | eg::capture(eg::attn_out));
    for (std::size_t e = 0; e < 3; ++e)
        CHECK(patched[eg::attn_out].slice(1, e, here.positions[e]) ==
              source[eg::attn_out].slice(1, e, there.positions[e]));
}

namespace {
/// The same tokens in other numbers: the source prompts are longer, equally long, and shorter.
auto const unequal_prompts = random_prompts(80, {5, 6, 7}), their_sources = random_prompts(81, {7, 6, 4});

/// Each policy that puts another run's z into a run, so that z there has the source's values.
template <class Model, class Source>
void each_way(Model const& model, Source const& source, auto const& where, auto const& use) {
    std::vector<std::vector<double>> basis(8, std::vector<double>(8));
    for (std::size_t i = 0; i < 8; ++i)
        basis[i][i] = 1;
    auto const picked = eg::picked(eg::z, source, {0, 1, 2});
    use("patch", model.run(unequal_prompts, eg::patch(eg::z, where, source) | eg::capture(eg::z)));
    use("swap", model.run(unequal_prompts, eg::swap(eg::z, where, source) | eg::capture(eg::z)));
    use("mask", model.run(unequal_prompts, eg::mask(eg::z, where, {0}, source) | eg::capture(eg::z)));
    use("picked", model.run(unequal_prompts, eg::mask(eg::z, where, {0}, picked) | eg::capture(eg::z)));
    use("subspace", model.run(unequal_prompts, eg::subspace(eg::z, where, basis, source) | eg::capture(eg::z)));
    use("directions",
        model.run(unequal_prompts,
                  eg::mask_directions(eg::z, where, basis, std::vector<double>(8), source) | eg::capture(eg::z)));
}
} // namespace

TEST_CASE("a negative position counts from the end of the source prompt") {
    auto const model = random_model<eg::reference>(25);
    auto const source = model.run(their_sources, eg::capture(eg::z));
    auto const check = [&](auto const& where, std::vector<std::vector<long>> const& from_end) {
        each_way(model, source, eg::layer(0) & where, [&](std::string const& way, auto const& run) {
            INFO(way);
            for (std::size_t e = 0; e < 3; ++e)
                for (long p : from_end[e])
                    for (std::size_t h = 0; h < 4; ++h) {
                        auto const is = run[eg::z].slice(0, e, p, h), expected = source[eg::z].slice(0, e, p, h);
                        for (std::size_t i = 0; i < 8; ++i)
                            CHECK(is[i] == Approx(expected[i]).epsilon(1e-12));
                    }
        });
    };
    check(eg::at(-1), {{-1}, {-1}, {-1}});
    check(eg::at({-2, -1, -4}), {{-1, -2, -4}, {-1, -2, -4}, {-1, -2, -4}});
    check(eg::positions(-3), {{-1, -2, -3}, {-1, -2, -3}, {-1, -2, -3}});
    check(eg::positions(-3, -1), {{-2, -3}, {-2, -3}, {-2, -3}});
    check(eg::at_each({{-1}, {}, {-3, -2}}), {{-1}, {}, {-3, -2}});
    check(eg::at(eg::role{"end", {-1, -2, -1}, {}}), {{-1}, {-2}, {-1}});
    // From the beginning, of the example whose source is as long.
    check(eg::positions(1, 3) & eg::examples({1}), {{}, {-5, -4}, {}});
    check(eg::at_each({{-1}, {0, -6, 5}, {-2}}), {{-1}, {-6, -1}, {-2}});
    check(eg::at(eg::role{"mixed", {-1, 2, -1}, {}}), {{-1}, {-4}, {-1}});

    // A sweep takes what a run takes.
    auto const clean = model.run(unequal_prompts, eg::capture_for_sweeps<grouped>());
    auto const patched = [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}) & eg::at(-2), source); };
    auto const found = eg::sweep(model, clean, eg::each_head<grouped>(), patched, {eg::probability({1, 2, 3})});
    std::vector<double> expected;
    for (auto n : eg::each_head<grouped>().entries)
        for (double p : model.run(unequal_prompts, patched(n)).logits_at(-1).probability({1, 2, 3}))
            expected.push_back(p);
    CHECK(found.of() == expected);
}

TEST_CASE("a position counted from the beginning needs equal lengths, or a role with its place in the source") {
    auto const model = random_model<eg::reference>(25);
    auto const source = model.run(their_sources, eg::capture(eg::z, eg::pattern));
    auto const refused = [&](auto const& where, std::string const& sentence) {
        // All of them alike: the first that is run throws.
        CHECK_THROWS_WITH(each_way(model, source, where, [](auto const&, auto const&) {}),
                          Catch::Matchers::ContainsSubstring(sentence));
        CHECK_THROWS_WITH(model.run(unequal_prompts, eg::swap(eg::z, where, source)),
                          Catch::Matchers::ContainsSubstring(sentence));
        CHECK_THROWS_WITH(model.run(unequal_prompts, eg::mask(eg::z, where, {1}, eg::picked(eg::z, source, {0, 1, 2}))),
                          Catch::Matchers::ContainsSubstring(sentence));
        CHECK_THROWS_WITH(eg::gradient(model, unequal_prompts, eg::mask(eg::z, where, {1}, source), eg::capture(eg::z),
                                       eg::logit({1, 2, 3})),
                          Catch::Matchers::ContainsSubstring(sentence));
        auto const clean = model.run(unequal_prompts, eg::capture_for_sweeps<grouped>());
        CHECK_THROWS_WITH(eg::sweep(model, clean, eg::each_layer<grouped>(),
                                    [&](int) { return eg::patch(eg::z, where, source); }, {eg::probability({1, 2, 3})}),
                          Catch::Matchers::ContainsSubstring(sentence));
    };
    auto const first =
        "engraft [source.length]: example 0 has 5 positions in this run, and example 0, its source, has 7 "
        "in the source run"s;
    refused(eg::at(2), first + ", so position 2 is not the same place in both; count it from the end");
    refused(eg::everywhere, first);
    refused(eg::positions(0, 2), first);
    refused(eg::positions(1), first);
    refused(eg::positions(0, -1), first);
    refused(eg::positions(-3, 4), first);
    refused(eg::at({-1, 4}), first);
    refused(eg::at_each({{-1}, {2}, {3}}), "example 2 has 7 positions in this run, and example 2, its source, has 4");
    refused(eg::at(eg::role{"subject", {-1, 2, 3}, {}}), "example 2 has 7 positions in this run");
    refused(eg::positions(-5),
            "engraft [source.position]: example 2 of the source run has 4 positions, and position -5 "
            "is not one of them");
    eg::role const here{"here", {1, 2, 3}, {}}, far{"far", {6, 5, 4}, {}}, near{"near", {6, -2, 3}, {}};
    refused(eg::at(here.from(far)),
            "engraft [source.position]: example 2 of the source run has 4 positions, and position "
            "4 is not one of them; it was asked for as the source of position 3 of example 2");
    auto const run = model.run(unequal_prompts,
                               eg::patch(eg::z, eg::layer(0) & eg::at(here.from(near)), source) | eg::capture(eg::z));
    for (std::size_t e = 0; e < 3; ++e)
        for (int h = 0; h < grouped.heads; ++h)
            CHECK(run[eg::z].slice(0, e, here.positions[e], h) == source[eg::z].slice(0, e, near.positions[e], h));
    // Patterns fit no other length, however a position is counted.
    CHECK_THROWS_WITH(model.run(unequal_prompts, eg::patch(eg::pattern, eg::at(-1), source)),
                      Catch::Matchers::ContainsSubstring("engraft [source.length]: pattern of example 0 is 5 wide in "
                                                         "this run and 7 in the source run"));
}

TEMPLATE_TEST_CASE("swapping z of all heads and all MLP outputs makes a model of the other one", "", eg::reference,
                   eg::cpu<eg::fp32>) {
    // B's attention and MLP weights, A's embedding, norms and unembedding: what is read and written stays A's.
    auto const a = random_model<TestType>(26);
    auto const b_weights = [&] {
        auto mixed = eg::random_weights<grouped, TestType>(26);
        auto other = eg::random_weights<grouped, TestType>(27);
        auto& m = const_cast<eg::weights<grouped, TestType>&>(*mixed);
        auto& o = const_cast<eg::weights<grouped, TestType>&>(*other);
        for (std::size_t l = 0; l < m.blocks.size(); ++l) {
            auto &x = m.blocks[l], &y = o.blocks[l];
            std::swap(x.q, y.q), std::swap(x.k, y.k), std::swap(x.v, y.v);
            std::swap(x.gate, y.gate), std::swap(x.up, y.up), std::swap(x.down, y.down);
        }
        return mixed;
    }();
    eg::model<grouped, TestType> const b(b_weights);
    auto const source = b.run(prompts, eg::capture(eg::z, eg::mlp_out));
    auto const swapped =
        a.run(prompts, eg::swap(eg::z, eg::everywhere, source) | eg::swap(eg::mlp_out, eg::everywhere, source));
    CHECK(logits_of(swapped) == logits_of(source));
    CHECK(logits_of(a.run(prompts)) != logits_of(source));
}

TEMPLATE_TEST_CASE("ablation gives zeros, a value, or means over examples", "", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(28);
    auto const where = eg::layer(1) & eg::heads({2});
    auto const z_of = [&](auto const& policy) {
        return model.run(prompts, policy | eg::capture(eg::z))[eg::z].slice(1, 2, 4, 2);
    };
    using number = typename TestType::value_type;
    CHECK(z_of(eg::ablate(eg::z, where)) == std::vector<number>(8, 0));
    CHECK(z_of(eg::ablate(eg::z, where, -1.5)) == std::vector<number>(8, number(-1.5)));

    auto const runs = model.run(other_prompts, eg::capture(eg::z));
    auto const means = eg::mean(runs, eg::z);
    auto const mean = z_of(eg::ablate(eg::z, where, means));
    // Position 4 of 8 is 3 before the last: examples 0 and 2 are long enough for it, example 1 is not.
    auto const x = runs[eg::z].slice(1, 0, -4, 2), y = runs[eg::z].slice(1, 2, -4, 2);
    for (std::size_t i = 0; i < 8; ++i)
        CHECK(double(mean[i]) == Approx((double(x[i]) + double(y[i])) / 2).margin(1e-7));
    CHECK_THROWS_WITH(model.run(random_prompts(29, {9}), eg::ablate(eg::z, eg::everywhere, means)),
                      Catch::Matchers::ContainsSubstring("engraft [ablate.means]"));
}

TEMPLATE_TEST_CASE("what was captured of a site is one array with labels", "", eg::reference, eg::cpu<eg::fp32>) {
    auto const model = random_model<TestType>(33);
    auto const run = model.run(
        prompts, eg::capture(eg::z, eg::layers({0, 2}) & eg::at_each({{-1, 1}, {}, {4}})) | eg::capture(eg::mlp_out) |
                     eg::capture(eg::pattern, eg::at(-1) & eg::examples({0})) | eg::capture(eg::logits) |
                     eg::capture(eg::scores, eg::at(-1)) | eg::capture(eg::q, eg::layer(1) & eg::examples({1})));
    using numbers = std::vector<std::int64_t>;
    auto const check = [&](auto site, std::vector<std::string> const& axes, std::vector<std::size_t> const& shape) {
        auto const all = run[site].array();
        CHECK(all.axes == axes);
        CHECK(all.shape == shape);
        std::size_t const heads = shape.size() == 4 ? shape[2] : 1, width = shape.back();
        std::size_t at = 0;
        for (auto layer : all.layers)
            for (std::size_t r = 0; r < all.examples.size(); ++r)
                for (std::size_t h = 0; h < heads; ++h, at += width)
                    CHECK(std::vector(all.values.begin() + long(at), all.values.begin() + long(at + width)) ==
                          run[site].slice(int(layer), std::size_t(all.examples[r]), all.positions[r], h));
        CHECK(at == all.values.size());
        return all;
    };
    auto const z = check(eg::z, {"layer", "row", "head", "element"}, {2, 3, 4, 8});
    CHECK(z.layers == numbers{0, 2});
    CHECK(z.examples == numbers{0, 0, 2});
    CHECK(z.positions == numbers{1, 5, 4});
    CHECK(check(eg::mlp_out, {"layer", "row", "element"}, {3, 17, 32}).positions[6] == 0);
    CHECK(check(eg::pattern, {"layer", "row", "head", "key"}, {3, 1, 4, 6}).positions == numbers{5});
    check(eg::logits, {"layer", "row", "element"}, {1, 17, 67});
    check(eg::q, {"layer", "row", "head", "element"}, {1, 3, 4, 8});
    CHECK_THROWS_WITH(run[eg::scores].array(), Catch::Matchers::ContainsSubstring(
                                                   "engraft [cache.widths]: scores of example 0 is 6 wide and that "
                                                   "of example 1 3"));
    auto const nothing = model.run(prompts, eg::may_not_fire(eg::capture(eg::z, eg::layers({}))));
    CHECK_THROWS_AS(nothing[eg::z].array(), eg::missing_activation);
    auto const patterns = model.run(random_prompts(34, {5, 5}), eg::capture(eg::pattern, eg::layer(1)));
    CHECK(patterns[eg::pattern].array().shape == std::vector<std::size_t>{1, 10, 4, 5});
    CHECK(patterns[eg::pattern].array().values.back() == patterns[eg::pattern].slice(1, 1, 4, 3).back());
}

TEST_CASE("values that do not fit are refused with a sentence, before anything is computed") {
    auto const model = random_model<eg::reference>(30), twin = random_model<eg::reference>(30);
    auto const source = model.run(prompts, eg::capture(eg::z, eg::layer(0) & eg::at(-1)));
    auto const patterns = model.run(random_prompts(31, {6, 4, 8}), eg::capture(eg::pattern));
    auto const refused = [&](auto const& policy, char const* sentence) {
        CHECK_THROWS_WITH(model.run(prompts, policy), Catch::Matchers::ContainsSubstring(sentence));
    };
    refused(eg::ablate(eg::z, eg::layer(3)),
            "engraft [where.layer]: layer 3 is out of range; the model's layers are 0 to 2");
    refused(eg::ablate(eg::z, eg::layers(2, 1)), "ends before it begins");
    refused(eg::ablate(eg::v, eg::kv_head(2)),
            "engraft [where.head]: head 2 is out of range; the heads of v are 0 to 1");
    refused(eg::ablate(eg::z, eg::nodes({{0, 4}})), "engraft [where.head]");
    refused(eg::ablate(eg::z, eg::nodes({{5, 0}})), "engraft [where.layer]");
    refused(eg::ablate(eg::z, eg::at(3)), "engraft [where.position]: example 1 has 3 positions");
    refused(eg::ablate(eg::z, eg::layers(1, 1)), "engraft [where.nothing]: no layer, head or position of z is chosen");
    refused(eg::ablate(eg::z, eg::heads({})), "engraft [where.nothing]");
    refused(eg::ablate(eg::z, eg::nodes({})), "engraft [where.nothing]");
    refused(eg::ablate(eg::z, eg::positions(2, 1)), "engraft [where.nothing]");
    refused(eg::ablate(eg::z, eg::positions(0, 4)), "engraft [where.position]");
    refused(eg::ablate(eg::z, eg::at(eg::role{"subject", {0, 1}, {}})), "the role `subject` has 2 positions");
    refused(eg::patch(eg::z, eg::layer(1) & eg::at(-1), source),
            "engraft [cache.layer]: z of layer 1 was not captured");
    refused(eg::patch(eg::z, eg::layer(0), source), "engraft [cache.position]");
    refused(eg::patch(eg::pattern, eg::everywhere, patterns), "engraft [source.length]");
    CHECK_THROWS_WITH(twin.run(prompts, eg::patch(eg::z, eg::layer(0) & eg::at(-1), source)),
                      Catch::Matchers::ContainsSubstring("engraft [patch.same_model]"));
    CHECK_THROWS_WITH(model.run(random_prompts(32, {6, 3}), eg::patch(eg::z, eg::layer(0) & eg::at(-1), source)),
                      Catch::Matchers::ContainsSubstring("engraft [source.examples]: the source run has 3 examples"));
    CHECK_THROWS_WITH(model.run(std::vector<std::vector<eg::token>>{{1, 67}}),
                      Catch::Matchers::ContainsSubstring("token 67 at position 1 of example 0"));
    CHECK_THROWS_AS(model.run(std::vector<std::vector<eg::token>>{}), eg::bad_input);
    CHECK_THROWS_WITH(source[eg::z].slice(0, 3, -1, 0), Catch::Matchers::ContainsSubstring("engraft [where.example]"));
    CHECK_THROWS_AS(source[eg::z].whole(0), eg::missing_activation);
    CHECK_THROWS_WITH(source[eg::z].whole(7), Catch::Matchers::ContainsSubstring("engraft [hook_point.layer]"));
    CHECK_THROWS_AS(source.logits_at(7), eg::bad_position);
    CHECK_THROWS_AS(source.logits_at(-1).of({1, 2}), eg::bad_input);
    CHECK_THROWS_AS(source.logits_at(-1).of({1, 2, 67}), eg::bad_input);
}
