// Attribution against what it is defined as, and against what it approximates.

#include "gradient/checks.hpp"

namespace {

inline constexpr eg::description small{
    .name = "small", .layers = 2, .d_model = 12, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 10, .vocab = 19};

using checks::numbers;

auto const clean = checks::prompts_of(3, small.vocab, {6, 4});
auto const noise = checks::prompts_of(4, small.vocab, {6, 4});
eg::metric const metric = eg::logit_difference({3, 1}, {1, 5});
auto const model = checks::random_model<small, eg::reference>(5);

/// Of all examples together.
template <class Policy>
double value_under(Policy const& policy) {
    auto const rows = model.run(clean, policy).logits_at(-1);
    auto const one = rows.of(metric.tokens), other = rows.of(metric.others);
    return one[0] + one[1] - other[0] - other[1];
}

numbers difference(numbers const& to, numbers const& from) {
    numbers d;
    for (std::size_t i = 0; i < to.size(); ++i)
        d.push_back(to[i] - from[i]);
    return d;
}

/// One position of one of the two examples.
auto only(std::size_t example, long position) {
    std::vector<std::vector<long>> places(2);
    places[example].push_back(position);
    return eg::at_each(places);
}

double largest_of(numbers const& all) {
    double largest = 0;
    for (double x : all)
        largest = std::max(largest, std::abs(x));
    return largest;
}

} // namespace

TEST_CASE("attribution of a head is the slope of the metric towards the noise run's z") {
    auto const found = eg::attribute(model, clean, noise, metric, eg::z);
    auto const from = model.run(clean, eg::capture(eg::z, eg::attn_out, eg::mlp_out));
    auto const to = model.run(noise, eg::capture(eg::z));
    CHECK(found.clean[0] + found.clean[1] == Approx(value_under(eg::identity)));
    auto const dropped = eg::attribute(model, clean, noise, metric, eg::z, {.drop = true});
    numbers sums(8);
    for (int l = 0; l < 2; ++l)
        for (int h = 0; h < 4; ++h)
            for (std::size_t e = 0; e < 2; ++e)
                for (long p = 0; p < long(clean.rows().length(e)); ++p) {
                    auto const slice = [&](auto const& run) { return run[eg::z].slice(l, e, p, std::size_t(h)); };
                    auto const direction = difference(slice(to), slice(from));
                    auto const where = eg::nodes({{l, h}}) & only(e, p);
                    auto const slope = [&](std::vector<int> held) {
                        auto const in = eg::layers(held);
                        return checks::central_difference([&](double step) {
                            return value_under(eg::may_not_fire(eg::freeze(eg::attn_out, in, from) |
                                                                eg::freeze(eg::mlp_out, in, from)) |
                                               eg::steer(eg::z, where, direction, step));
                        });
                    };
                    checks::check_same(found.at(l, e, p, h), slope({}), "z");
                    // Of two layers one is the head's own, and holding that one leaves nothing.
                    checks::check_same(dropped.at(l, e, p, h), std::abs(slope({1 - l})), "z, the other layer held");
                    sums[std::size_t(4 * l + h)] += found.at(l, e, p, h);
                }
    CHECK(largest_of(difference(found.over_positions(), sums)) < 1e-12);
    eg::role const last{"last", {-1, 2}, {}};
    CHECK(found.at_role(last)[6] == Approx(found.at(1, 0, -1, 2) + found.at(1, 1, 2, 2)));
}

TEST_CASE("integrated gradients of the embeddings add up to what the noise does") {
    auto const rows = model.run(noise).logits_at(-1);
    double change = -value_under(eg::identity);
    for (std::size_t e = 0; e < 2; ++e)
        change += rows.of(metric.tokens)[e] - rows.of(metric.others)[e];
    auto const error = [&](int steps) {
        auto const found = eg::attribute(model, clean, noise, metric, eg::resid_pre, {.steps = steps});
        CHECK(found.clean[0] + found.clean[1] == Approx(value_under(eg::identity)));
        return std::abs(found.over_positions()[0] - change);
    };
    double const few = error(10), many = error(80);
    INFO("change " << change << ", error of 10 steps " << few << ", of 80 " << many);
    CHECK(many < 0.02 * std::abs(change));
    CHECK(many < 0.2 * few); // falls as one over the steps
}

TEST_CASE("queries and keys are attributed by the patterns that they make") {
    auto const queries = eg::attribute_queries(model, clean, noise, metric);
    auto const keys = eg::attribute_keys(model, clean, noise, metric);
    auto const slopes = eg::gradient(model, clean, eg::capture(eg::pattern), eg::capture(eg::pattern), metric);
    auto const other = model.run(noise, eg::capture(eg::rot_q, eg::rot_k));
    /// Of patterns of a run in which one query or key is the noise run's.
    auto const change = [&](auto const& policy, int l, std::size_t e) {
        auto const patched = model.run(clean, policy | eg::capture(eg::pattern));
        double sum = 0;
        for (std::size_t h = 0; h < 4; ++h)
            for (long p = 0; p < long(clean.rows().length(e)); ++p) {
                auto const line = [&](auto const& of) { return of[eg::pattern].slice(l, e, p, h); };
                auto const moved = difference(line(patched), line(slopes.run())), slope = line(slopes);
                for (std::size_t i = 0; i < slope.size(); ++i)
                    sum += moved[i] * slope[i];
            }
        return sum;
    };
    for (int l = 0; l < 2; ++l)
        for (std::size_t e = 0; e < 2; ++e)
            for (long p = 0; p < long(clean.rows().length(e)); ++p) {
                for (int h = 0; h < 4; ++h)
                    checks::check_same(queries.at(l, e, p, h),
                                       change(eg::patch(eg::rot_q, eg::nodes({{l, h}}) & only(e, p), other), l, e),
                                       "query");
                for (int h = 0; h < 2; ++h)
                    checks::check_same(keys.at(l, e, p, h),
                                       change(eg::patch(eg::rot_k, eg::kv_nodes({{l, h}}) & only(e, p), other), l, e),
                                       "key");
            }
}

TEST_CASE("a sender's edges add up to its attribution, and a small change of it does what its edges say") {
    auto const fast = checks::random_model<small, eg::cpu<eg::fp32>>(5, eg::cpu<eg::fp32>(2));
    for (int steps : {0, 3}) {
        auto const edges = eg::attribute_edges(model, clean, noise, metric, {.steps = steps});
        auto const heads = eg::attribute(model, clean, noise, metric, eg::z, {.steps = steps}).over_positions();
        auto const mlps = eg::attribute(model, clean, noise, metric, eg::mlp_out, {.steps = steps}).over_positions();
        for (int l = 0; l < 2; ++l) {
            for (int h = 0; h < 4; ++h)
                checks::check_same(edges.of_sender({l, h}), heads[std::size_t(4 * l + h)] / 2, "head"); // of 2 examples
            checks::check_same(edges.of_sender({l}), mlps[std::size_t(l)] / 2, "MLP");
        }
        auto const close = eg::attribute_edges(fast, clean, noise, metric, {.steps = steps});
        CHECK(largest_of(difference(numbers(close.scores), edges.scores)) < 2e-5 * largest_of(edges.scores));
    }

    // Exact patching of every edge, towards what stands a step on the way from the clean z and mlp_out to the noise's.
    auto const found = eg::attribute_edges(model, clean, noise, metric);
    auto const base = model.run(clean, eg::capture_for_sweeps<small>());
    auto const end = model.run(noise, eg::capture(eg::z, eg::mlp_out));
    auto const values = [&](double step) {
        auto const on_the_way = [&](auto s) {
            return eg::patch(s, eg::everywhere, base) | eg::mask(s, eg::everywhere, {1 - step}, end);
        };
        auto const there =
            model.run(clean, on_the_way(eg::z) | on_the_way(eg::mlp_out) | eg::capture(eg::z, eg::mlp_out));
        return eg::edge_patching(model, base, there, found.edges, {metric}).of();
    };
    double const h = 1e-3;
    auto const up = values(h), down = values(-h), far_up = values(2 * h), far_down = values(-2 * h);
    REQUIRE(up.size() == 2 * found.scores.size());
    for (std::size_t i = 0; i < found.scores.size(); ++i) {
        double sum = 0;
        for (std::size_t e = 2 * i; e < 2 * i + 2; ++e)
            sum += (8 * (up[e] - down[e]) - (far_up[e] - far_down[e])) / (12 * h) / 2;
        checks::check_same(found.scores[i], sum, name_of(found.edges.entries[i]));
    }
    auto const order = found.ranked();
    for (std::size_t i = 1; i < order.size(); ++i)
        CHECK(std::abs(found.scores[order[i]]) <= std::abs(found.scores[order[i - 1]]));
}

TEST_CASE("attribution refuses pairs of unequal length and methods that do not go together") {
    auto const longer = checks::prompts_of(4, small.vocab, {6, 5});
    CHECK_THROWS_WITH(eg::attribute(model, clean, longer, metric, eg::z),
                      Catch::Matchers::ContainsSubstring("[attribution.pairs]"));
    CHECK_THROWS_WITH(eg::attribute(model, clean, noise, metric, eg::z, {.steps = 2, .drop = true}),
                      Catch::Matchers::ContainsSubstring("[attribution.steps]"));
}
