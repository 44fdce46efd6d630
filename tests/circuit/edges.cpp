// Edges against a transformer in plain loops that is written edge by edge: each edge patched by itself, many cut at a
// time, and the greedy search.

#include <cmath>

#include "catch.hpp"
#include "plain_model.hpp"
#include "remembered.hpp"

#include <engraft/circuit/acdc.hpp>
#include <engraft/circuit/edge_patching.hpp>

namespace eg = engraft;

namespace {

inline constexpr eg::description grouped{
    .name = "grouped", .layers = 2, .d_model = 12, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 10, .vocab = 19};
inline constexpr eg::description gpt2{.name = "gpt2",
                                      .family = eg::family::gpt2,
                                      .layers = 2,
                                      .d_model = 12,
                                      .heads = 3,
                                      .kv_heads = 3,
                                      .d_head = 4,
                                      .d_mlp = 10,
                                      .vocab = 19,
                                      .norm = eg::norm::layer,
                                      .position = eg::position::learned,
                                      .positions = 8,
                                      .mlp = eg::mlp::gelu_tanh,
                                      .qkv_bias = true,
                                      .out_bias = true,
                                      .mlp_bias = true,
                                      .tied_unembedding = true};
inline constexpr eg::description parallel{.name = "parallel",
                                          .family = eg::family::gpt_neox,
                                          .layers = 2,
                                          .d_model = 12,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 6,
                                          .d_mlp = 10,
                                          .vocab = 19,
                                          .norm = eg::norm::layer,
                                          .d_rotary = 2,
                                          .mlp = eg::mlp::gelu_tanh,
                                          .residual = eg::residual::parallel,
                                          .qkv_bias = true,
                                          .out_bias = true,
                                          .mlp_bias = true};

/// The same weights twice: as the library runs them and in plain loops.
template <eg::description const& D, class B>
struct setting {
    std::vector<std::vector<eg::token>> tokens{{3, 1, 4, 1, 5}, {9, 2, 6}}, others{{5, 3, 5, 8, 9}, {7, 9, 3}};
    std::vector<eg::token> answers{4, 8};
    std::shared_ptr<eg::weights<D, eg::reference> const> exact = eg::random_weights<D, eg::reference>(5);
    eg::model<D, B> model{eg::random_weights<D, B>(5)};
    plain::model<D> by_hand{*exact};
    std::vector<plain::written> noise_written;
    double tolerance = sizeof(typename B::value_type) == 4 ? 2e-5 : 1e-12;

    setting() {
        for (auto const& o : others)
            noise_written.push_back(by_hand.run(o, {}, {}).out);
    }
    auto noise() const { return model.run(others, eg::capture(eg::z, eg::mlp_out)); }

    plain::row logits(plain::edge_set const& cut, std::size_t e) const {
        return by_hand.run(tokens[e], cut, noise_written[e]).logits;
    }
    double divergence(plain::edge_set const& cut) const {
        double sum = 0;
        for (std::size_t e = 0; e < tokens.size(); ++e)
            sum += eg::kl_divergence(eg::log_softmax(logits({}, e)), eg::log_softmax(logits(cut, e)));
        return sum / double(tokens.size());
    }
};

bool near(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b)); }

template <eg::description const& D, class B>
void check_each_edge() {
    setting<D, B> const s;
    auto const clean = s.model.run(s.tokens, eg::capture_for_sweeps<D>());
    auto const noise = s.noise();
    std::vector<eg::metric> const metrics{eg::log_probability(s.answers), eg::kl_to_clean()};
    // [edges]
    auto const table = eg::each_edge<D>(); // from each head and MLP to each q, k, v, MLP and the logits
    auto const found = eg::edge_patching(s.model, clean, noise, table, metrics);
    // [/edges]
    std::size_t changed = 0;
    for (std::size_t i = 0; i < table.entries.size(); ++i)
        for (std::size_t e = 0; e < 2; ++e) {
            auto const logits = s.logits({table.entries[i]}, e);
            auto const expected = eg::log_softmax(logits)[std::size_t(s.answers[e])];
            INFO(eg::name_of(table.entries[i]) << " of example " << e << ", on " << B::name());
            auto const value = found.of()[i * 2 + e];
            CHECK(near(value, expected, s.tolerance));
            changed += !near(value, found.clean()[e], 10 * s.tolerance);
        }
    // Some edges can't act, such as those from what the last layer reads at other positions; most do.
    CHECK(changed > table.entries.size());
    CHECK(found.axes().front().size == table.entries.size());
    CHECK(found.planned.cases == 2 * table.entries.size());
    CHECK(found.planned.flops == found.counted);
    CHECK(found.planned.naive_flops > found.counted.total());

    // In chunks, to the bit.
    auto const small = eg::edge_patching(s.model, clean, noise, table, metrics, {.memory = found.planned.memory});
    CHECK(small.planned.chunks > found.planned.chunks);
    CHECK(small.of() == found.of());
    CHECK(small.of("kl_to_clean") == found.of("kl_to_clean"));

    // And in groups of senders, which are parts of a journal of their own though their receiver is the same.
    eg::table<eg::edge> to_logits;
    for (auto const& e : table.entries)
        if (e.to.input == eg::edge_input::unembedding)
            to_logits.entries.push_back(e);
    to_logits.axes = {{"edge", to_logits.entries.size()}};
    auto const patch = [&](eg::sweep_options const& options) {
        return eg::edge_patching(s.model, clean, noise, to_logits, metrics, options);
    };
    auto const at_once = patch({});
    std::size_t groups = 1;
    for (double memory = at_once.planned.memory; groups < 3; memory /= 1.2) {
        remembered kept;
        REQUIRE(patch({.memory = memory, .journal = &kept}).of() == at_once.of());
        groups = kept.records.size();
        auto const records = kept.size();
        REQUIRE(patch({.memory = memory, .journal = &kept}).of() == at_once.of());
        CHECK(kept.size() == records);
    }
}

template <eg::description const& D, class B>
void check_many_edges() {
    setting<D, B> const s;
    auto const noise = s.noise();
    auto const table = eg::each_edge<D>();
    eg::random draw(7);
    for (double const share : {0.0, 0.1, 0.5, 0.9, 1.0}) {
        std::vector<eg::edge> cut;
        for (auto const& e : table.entries)
            if (share == 1 || draw.uniform() < share)
                cut.push_back(e);
        auto const run = s.model.run(s.tokens, eg::may_not_fire(eg::rewire(cut, s.model, noise)));
        auto const logits = run.logits_at(-1).values().to_host();
        for (std::size_t e = 0; e < 2; ++e) {
            auto const expected = s.logits({cut.begin(), cut.end()}, e);
            for (std::size_t i = 0; i < expected.size(); ++i)
                REQUIRE(near(logits[e * expected.size() + i], expected[i], 2 * s.tolerance));
        }
        CHECK((run.fired()[0] > 0) == !cut.empty());
    }
}

/// The search as it is written in the paper, over plain loops.
template <eg::description const& D, class B>
std::vector<eg::edge> searched(setting<D, B> const& s, double threshold) {
    plain::edge_set cut;
    double divergence = 0;
    auto const all = eg::each_edge<D>().entries;
    std::vector<eg::edge> kept;
    auto receivers = eg::edge_receivers(D);
    auto senders = eg::edge_senders(D);
    for (auto to = receivers.rbegin(); to != receivers.rend(); ++to)
        for (auto from = senders.rbegin(); from != senders.rend(); ++from) {
            eg::edge const e{*from, *to};
            if (!eg::reaches(D, *from, *to))
                continue;
            cut.insert(e);
            double const d = s.divergence(cut);
            if (d - divergence < threshold) {
                divergence = d;
            } else {
                cut.erase(e);
                kept.push_back(e);
            }
        }
    return kept;
}

template <eg::description const& D, class B>
void check_search() {
    setting<D, B> const s;
    auto const noise = s.noise();
    auto const all = eg::each_edge<D>().entries;
    CHECK_THROWS_WITH(eg::acdc(s.model, s.tokens, noise, all, {.threshold = std::nan("")}),
                      Catch::Matchers::ContainsSubstring("the threshold of acdc is NaN"));
    std::size_t before = all.size() + 1;
    for (double const threshold : {1e-7, 1e-2}) {
        // [acdc]
        auto const found = eg::acdc(s.model, s.tokens, noise, all, {.threshold = threshold});
        // [/acdc]
        // In plain loops receivers that nobody reads are tried, too: cutting their edges changes nothing but rounding.
        CHECK(found.kept == searched(s, threshold));
        CHECK(found.decisions.size() == all.size());
        CHECK(found.kept.size() < before);
        before = found.kept.size();
        plain::edge_set cut(all.begin(), all.end());
        for (auto const& e : found.kept)
            cut.erase(e);
        CHECK(near(found.divergence, s.divergence(cut), 5 * s.tolerance));
    }
    CHECK(before > 0);
}

} // namespace

TEST_CASE("each edge by itself does what plain loops give: grouped queries, rotary embedding") {
    check_each_edge<grouped, eg::reference>();
}
TEST_CASE("each edge by itself does what plain loops give: biases, layer norm, learned positions") {
    check_each_edge<gpt2, eg::cpu<eg::fp32>>();
}
TEST_CASE("a model with many edges cut is what plain loops give") {
    check_many_edges<grouped, eg::reference>();
    check_many_edges<gpt2, eg::cpu<eg::fp32>>();
    check_many_edges<parallel, eg::reference>();
}

TEST_CASE("the greedy search keeps the edges that it keeps in plain loops") {
    check_search<grouped, eg::reference>();
    check_search<gpt2, eg::cpu<eg::fp32>>();
}
