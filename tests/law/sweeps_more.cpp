// Sweeps in two passes, what they cost, what they refuse, and that company, order and threads change no bit.

#include <numeric>

#include "law/sweeps.hpp"

namespace {

using sweeps::dice;
using sweeps::same_bits;
using cpu = eg::cpu<eg::fp32>;

/// A model with clean and noise runs of prompts of three lengths.
template <class B>
struct pair_of_runs {
    static auto kept() { return eg::capture_for_sweeps<grouped>() | eg::capture(eg::q, eg::k); }

    std::vector<std::size_t> lengths{7, 3, 9};
    eg::model<grouped, B> model = random_model<B>(3);
    eg::batch prompts = random_prompts(4, lengths), others = random_prompts(5, lengths);
    decltype(std::declval<eg::model<grouped, B>>().run(std::declval<eg::batch>(), kept())) clean =
        model.run(prompts, kept());
    decltype(clean) noise = model.run(others, kept());
    eg::role middle{"middle", {4, 1, -4}, {}}, there{"there", {2, 0, 3}, {}};
    std::vector<eg::token> answers{3, 60, 17};
};

std::string refusal(auto const& f) {
    try {
        f();
    } catch (eg::error const& e) {
        std::string const what = e.what();
        auto const first = what.find('['), last = what.find(']');
        return first == std::string::npos ? what : what.substr(first + 1, last - first - 1);
    }
    return "nothing";
}

/// The same in two whole runs for each sender.
template <eg::site S>
auto by_hand(auto const& s, S, auto const& policy_of, auto const& receivers) {
    std::vector<double> p;
    for (auto const& n : eg::each_head<grouped>().entries) {
        auto const got = s.model.run(s.prompts, policy_of(n) | eg::capture(S{}));
        auto const run = s.model.run(s.prompts, eg::patch(S{}, receivers, got));
        auto const more = run.logits_at(-1).probability(s.answers);
        p.insert(p.end(), more.begin(), more.end());
    }
    return p;
}

} // namespace

TEST_CASE("a sweep in two passes is two whole runs", "[sweeps]") {
    pair_of_runs<cpu> const s;
    auto const policy_of = eg::path_from_sender(s.clean, s.noise, s.middle.from(s.there));
    auto const table = eg::each_head<grouped>();
    std::vector<eg::node> const heads{{1, 0}, {1, 3}, {2, 2}}, kv{{1, 1}};

    auto const q = eg::sweep(s.model, s.clean, table, policy_of, eg::receivers(eg::q, heads, s.middle),
                             {eg::probability(s.answers)});
    CHECK(same_bits(q.of(), by_hand(s, eg::q, policy_of, eg::nodes(heads).at(s.middle))));
    sweeps::check_plan(q);
    CHECK(q.of() != std::vector<double>(q.of().size()));

    // Senders of the last receivers' layer and above reach none of them: the clean numbers, and no work.
    CHECK(q.planned.cases == 3 * 4 * 3);
    CHECK(q.planned.live == 2 * 4 * 3);
    // Of the others, those of layer 1 reach one receiver only: a query of the last layer that no reading sees.
    for (std::size_t i = 0; i < q.of().size(); ++i)
        CHECK((q.of()[i] != q.clean()[i % 3]) == (i < 4 * 3));
    auto const v =
        eg::sweep(s.model, s.clean, table, policy_of, eg::receivers(eg::v, kv, s.middle), {eg::probability(s.answers)});
    CHECK(same_bits(v.of(), by_hand(s, eg::v, policy_of, eg::kv_nodes(kv).at(s.middle))));
    CHECK(v.planned.live == 4 * 3);
    sweeps::check_plan(v);

    // In chunks, and on one thread.
    auto const small = eg::sweep(s.model, s.clean, table, policy_of, eg::receivers(eg::q, heads, s.middle),
                                 {eg::probability(s.answers)}, {.memory = q.planned.memory / 2});
    CHECK(small.planned.chunks > q.planned.chunks);
    CHECK(same_bits(small.of(), q.of()));
    eg::model<grouped, cpu> const one(s.model.shared_weights(), cpu(1));
    CHECK(same_bits(
        eg::sweep(one, s.clean, table, policy_of, eg::receivers(eg::q, heads, s.middle), {eg::probability(s.answers)})
            .of(),
        q.of()));

    // The score of path patching is the mean share by which the number changes.
    double score = 0;
    for (std::size_t e = 0; e < 3; ++e)
        score += (q.of()[e] - q.clean()[e]) / q.clean()[e] / 3;
    CHECK(q.relative_change().size() == 12);
    CHECK(q.relative_change()[0] == Approx(score));
    CHECK(q.axes().size() == 3);
    CHECK((q.axes()[1].name == "head" && q.axes()[1].size == 4 && q.axes()[2].name == "example"));
}

TEST_CASE("a second pass begins at the first receiver that its sender reaches", "[sweeps]") {
    pair_of_runs<cpu> const s;
    eg::role const last{"last", {-1, -1, -1}, {}};
    auto const policy_of = [&](eg::node n) {
        auto const one = eg::nodes({n}) & eg::at(-1);
        return eg::freeze(eg::z, eg::positions(-1) - one, s.clean) | eg::patch(eg::z, one, s.noise);
    };
    auto const flops = [&](std::vector<eg::node> const& to) {
        return eg::plan_sweep(s.model, s.clean, eg::table<eg::node>{{{"sender", 1}}, {{1, 0}}}, policy_of,
                              eg::receivers(eg::q, to, last), {eg::probability(s.answers)})
            .flops;
    };
    CHECK(flops({{0, 2}, {1, 1}, {2, 3}}) == flops({{2, 3}}));
    CHECK(flops({{0, 2}, {1, 1}}).total() == 0);
    auto const found = eg::sweep(s.model, s.clean, eg::each_head<grouped>(), policy_of,
                                 eg::receivers(eg::q, {{0, 2}, {1, 1}, {2, 3}}, last), {eg::probability(s.answers)});
    CHECK(same_bits(found.of(), by_hand(s, eg::q, policy_of, eg::nodes({{0, 2}, {1, 1}, {2, 3}}).at(last))));
    sweeps::check_plan(found);
}

TEST_CASE("receivers get z of the first pass though attn_out is replaced there", "[sweeps]") {
    pair_of_runs<eg::reference> const s;
    auto const policy_of = [&](eg::node n) {
        return eg::patch(eg::resid_pre, eg::layer(n.layer) & eg::at(s.middle), s.noise) |
               eg::patch(eg::attn_out, eg::layer(n.layer), s.noise);
    };
    std::vector<eg::node> const heads{{0, 1}, {1, 0}, {2, 3}};
    auto const found =
        eg::sweep(s.model, s.clean, eg::each_head<grouped>(), policy_of,
                  eg::receivers(eg::z, heads, eg::role{"last", {-1, -1, -1}, {}}), {eg::probability(s.answers)});
    CHECK(same_bits(found.of(), by_hand(s, eg::z, policy_of, eg::nodes(heads) & eg::at(-1))));
    sweeps::check_plan(found);
    CHECK(found.of()[0] != found.clean()[0]);
}

TEST_CASE("what a policy puts into attention may show keys that are hidden", "[sweeps]") {
    pair_of_runs<eg::reference> const s;
    for (auto const& where : {eg::layers({1}) & eg::at({1, 2}), eg::layers({0, 1, 2}) & eg::at(0)}) {
        auto const policy_of = [&](int layer) {
            return eg::patch(eg::resid_pre, eg::layer(layer) & eg::at({1, -1}), s.noise) |
                   eg::ablate(eg::scores, where, 0.5) | eg::ablate(eg::pattern, where & eg::head(2), 0.25);
        };
        auto const found = eg::sweep(s.model, s.clean, eg::each_layer<grouped>(), policy_of, {eg::logit(s.answers)},
                                     {.read_at = {2, 2, 2}});
        sweeps::check_plan(found);
        for (int layer = 0; layer < 3; ++layer) {
            auto const whole = s.model.run(s.prompts, policy_of(layer)).logits_at(2).of(s.answers);
            for (std::size_t e = 0; e < 3; ++e)
                CHECK(found.of()[static_cast<std::size_t>(layer) * 3 + e] == Approx(whole[e]).epsilon(1e-12));
        }
    }
}

TEST_CASE("what is held under a condition, and heads' held contributions, are what whole runs make of them",
          "[sweeps]") {
    pair_of_runs<cpu> const s;
    auto const kept = pair_of_runs<cpu>::kept() | eg::capture(eg::result) | eg::capture(eg::pattern);
    auto const clean = s.model.run(s.prompts, kept);
    auto const check = [&](auto const& policy_of) {
        auto const found =
            eg::sweep(s.model, clean, eg::each_layer<grouped>(), policy_of, {eg::probability(s.answers)});
        sweeps::check_plan(found);
        std::vector<double> whole;
        for (int layer = 0; layer < grouped.layers; ++layer) {
            auto const p = s.model.run(s.prompts, policy_of(layer)).logits_at(-1).probability(s.answers);
            whole.insert(whole.end(), p.begin(), p.end());
        }
        CHECK(same_bits(found.of(), whole));
        return found;
    };
    auto const noise_in = [&](int layer) {
        return eg::patch(eg::resid_pre, eg::layer(layer) & eg::at({0, 2}), s.noise);
    };
    auto const free = check(noise_in);
    auto const held = check([&](int layer) {
        return noise_in(layer) | eg::freeze(eg::mlp_out, eg::everywhere & eg::when(sweeps::first_is_positive), clean);
    });
    CHECK(held.of() != free.of());
    CHECK(held.planned.rows == free.planned.rows); // what does not differ without it needs no look at the condition
    auto const attention = check([&](int layer) {
        return noise_in(layer) | eg::freeze(eg::pattern, eg::everywhere & eg::when(sweeps::first_is_positive), clean) |
               eg::knockout(eg::layers(0, 3) & eg::head(1), eg::at(-1), eg::at(0));
    });
    CHECK(attention.of() != free.of());
    auto const streams = check([&](int layer) {
        return eg::patch(eg::z, eg::layer(layer) & eg::at({0, 2}), s.noise) |
               eg::freeze(eg::resid_pre, eg::everywhere & eg::when(sweeps::first_is_positive), clean);
    });
    CHECK(streams.of() != free.of());
    auto const contributions = check([&](int layer) {
        return noise_in(layer) | eg::freeze(eg::result, eg::layers(0, 3) & eg::heads({0, 3}), clean);
    });
    CHECK(contributions.of() != free.of());
    auto const both = check([&](int layer) {
        return noise_in(layer) | eg::freeze(eg::z, eg::layers(1, 3) & eg::head(1), clean) |
               eg::freeze(eg::result, eg::layers(1, 3) & eg::heads({0, 2}) & eg::when(sweeps::first_is_positive),
                          clean);
    });
    CHECK((both.of() != free.of() && both.of() != contributions.of()));
}

TEST_CASE("order, company and threads change no bit of a sweep, and its costs are the least", "[sweeps]") {
    pair_of_runs<cpu> const s;
    auto const table = eg::each_layer_position<grouped>(3);
    auto const sweep = [&](auto const& model, auto const& clean, auto const& noise, std::vector<eg::token> answers,
                           eg::sweep_options options = {}) {
        return eg::sweep(
            model, clean, table,
            [&](eg::layer_position at) {
                return eg::patch(eg::resid_pre, eg::layer(at.layer) & eg::at(-1 - static_cast<long>(at.position)),
                                 noise);
            },
            {eg::probability(answers)}, options);
    };
    auto const kept = pair_of_runs<cpu>::kept();
    auto const found = sweep(s.model, s.clean, s.noise, s.answers);
    eg::model<grouped, cpu> const one(s.model.shared_weights(), cpu(1)), two(s.model.shared_weights(), cpu(2));
    CHECK(same_bits(sweep(one, s.clean, s.noise, s.answers).of(), found.of()));
    CHECK(same_bits(sweep(two, one.run(s.prompts, kept), s.noise, s.answers).of(), found.of()));

    std::vector<std::vector<eg::token>> tokens(3), noises(3);
    for (std::size_t e = 0; e < 3; ++e)
        for (std::size_t p = 0; p < s.lengths[e]; ++p) {
            tokens[e].push_back(s.prompts.tokens()[s.prompts.rows().begin(e) + p]);
            noises[e].push_back(s.others.tokens()[s.prompts.rows().begin(e) + p]);
        }
    std::vector<double> alone(found.of().size()), backwards(found.of().size());
    for (std::size_t e = 0; e < 3; ++e) {
        eg::batch const mine({tokens[e]}), other({noises[e]});
        auto const r = sweep(s.model, s.model.run(mine, kept), s.model.run(other, kept), {s.answers[e]});
        for (std::size_t i = 0; i < r.of().size(); ++i)
            alone[i * 3 + e] = r.of()[i];
    }
    CHECK(same_bits(alone, found.of()));
    std::reverse(tokens.begin(), tokens.end()), std::reverse(noises.begin(), noises.end());
    auto const r = sweep(s.model, s.model.run(eg::batch(tokens), kept), s.model.run(eg::batch(noises), kept),
                         {s.answers.rbegin(), s.answers.rend()});
    for (std::size_t i = 0; i < r.of().size(); ++i)
        backwards[i / 3 * 3 + 2 - i % 3] = r.of()[i];
    CHECK(same_bits(backwards, found.of()));

    // The last row of the last layer: its query, key and value, attention, and MLP, and one row of logits.
    auto const& d = grouped;
    eg::table<eg::layer_position> const last{{{"entry", 1}}, {{2, 0}}};
    auto const least = eg::sweep(
        s.model, s.clean, last,
        [&](eg::layer_position at) {
            return eg::patch(eg::resid_pre, eg::layer(at.layer) & eg::at(-1 - static_cast<long>(at.position)), s.noise);
        },
        {eg::probability(s.answers)});
    double const wide = d.heads * d.d_head, narrow = d.kv_heads * d.d_head;
    CHECK(least.counted.linear == 3 * 2. * d.d_model * (2 * wide + 2 * narrow + 3 * d.d_mlp));
    CHECK(least.counted.attention == 4. * wide * (7 + 3 + 9));
    CHECK(least.counted.readings == 3 * 2. * d.d_model * d.vocab);
    sweeps::check_plan(least);
    CHECK(least.planned.rows == 3);
    CHECK(least.planned.naive_flops > 10 * least.counted.total());

    // Behind what is read nothing matters: no work for the two last rows where the first one is read.
    auto const none = sweep(s.model, s.clean, s.noise, s.answers, {.read_at = {0, 0, 0}});
    CHECK(none.planned.live == 3); // position 0 of the example of length 3, in each layer
    for (std::size_t i = 0; i < none.of().size(); ++i)
        CHECK((none.of()[i] != none.clean()[i % 3]) == (i % 9 == 7));

    std::vector<double> shares;
    eg::sweep_options options;
    options.memory = found.planned.memory / 3;
    options.progress = [&](double share) { shares.push_back(share); };
    CHECK(same_bits(sweep(s.model, s.clean, s.noise, s.answers, options).of(), found.of()));
    CHECK((shares.size() > 2 && shares.back() == 1 && std::is_sorted(shares.begin(), shares.end())));
}

TEST_CASE("sweeps refuse what they can't do, before they compute", "[sweeps]") {
    pair_of_runs<cpu> const s;
    auto const position = [&](std::vector<long> p) { return eg::role{"given", std::move(p), {}}; };
    auto const run = [&](auto const& clean, eg::table<int> const& table, std::vector<eg::metric> metrics,
                         eg::sweep_options options = {}, eg::role const& where = {"last", {-1, -1, -1}, {}}) {
        eg::sweep(
            s.model, clean, table,
            [&](int l) { return eg::patch(eg::resid_pre, eg::layer(l) & eg::at(where), s.noise); }, metrics, options);
    };
    auto const layers = eg::each_layer<grouped>();
    auto const one = [&] { return std::vector{eg::probability(s.answers)}; };
    using list = std::vector<eg::metric>;
    CHECK(refusal([&] { run(s.clean, layers, one()); }) == "nothing");
    CHECK(refusal([&] { run(s.clean, layers, {}); }) == "sweep.metric");
    CHECK(refusal([&] { run(s.clean, layers, list{eg::probability({1, 2})}); }) == "sweep.metric");
    CHECK(refusal([&] { run(s.clean, layers, list{eg::logit({1, 2, 67})}); }) == "sweep.metric");
    CHECK(refusal([&] { run(s.clean, layers, list{eg::logit({1, 2, -1})}); }) == "sweep.metric");
    CHECK(refusal([&] { run(s.clean, layers, list{eg::logit_difference({1, 2, 3}, {1})}); }) == "sweep.metric");
    CHECK(refusal([&] { run(s.clean, layers, list{eg::logit({1, 2, 3}), eg::logit({3, 2, 1})}); }) == "sweep.metric");
    CHECK(refusal([&] { run(s.clean, layers, list{eg::reading("none", {})}); }) == "sweep.metric");
    CHECK(refusal([&] { run(s.clean, layers, one(), {.memory = 1000}); }) == "sweep.memory");
    CHECK(refusal([&] { run(s.clean, layers, one(), {.read_at = {1}}); }) == "sweep.read_at");
    CHECK(refusal([&] { run(s.clean, layers, one(), {.read_at = {1, 3, 1}}); }) == "where.position");
    CHECK(refusal([&] { run(s.clean, {{{"layer", 2}}, {0}}, one()); }) == "sweep.table");
    CHECK(refusal([&] { run(s.clean, {{{"layer", 1}}, {3}}, one()); }) == "where.layer");
    CHECK(refusal([&] { run(s.clean, layers, one(), {}, position({0, 0})); }) == "where.role");
    CHECK(refusal([&] { run(s.clean, layers, one(), {}, position({0, 3, 0})); }) == "where.position");

    // A clean run of other weights, and an edited one.
    auto const kept = pair_of_runs<cpu>::kept();
    CHECK(refusal([&] { run(random_model<cpu>(9).run(s.prompts, kept), layers, one()); }) == "sweep.clean");
    CHECK(refusal([&] { run(s.model.run(s.prompts, eg::ablate(eg::z, eg::layer(0)) | kept), layers, one()); }) ==
          "sweep.clean");

    // Receivers that are not there, and a list of no policies.
    auto const two_passes = [&](std::vector<eg::node> heads, eg::role const& at) {
        eg::sweep(s.model, s.clean, eg::each_head<grouped>(),
                  eg::path_from_sender(s.clean, s.noise, s.middle.from(s.there)),
                  eg::receivers(eg::q, std::move(heads), at), one());
    };
    CHECK(refusal([&] { two_passes({{1, 1}}, position({0, 0})); }) == "where.role");
    CHECK(refusal([&] { two_passes({{1, 1}}, position({0, 3, 0})); }) == "where.position");
    CHECK(refusal([&] { two_passes({{3, 1}}, s.middle); }) == "where.layer");
    CHECK(refusal([&] { two_passes({{1, 4}}, s.middle); }) == "where.head");
    CHECK(refusal([&] { two_passes({}, s.middle); }) == "where.nothing");

    // Attention that is blocked nowhere, as a whole run refuses it.
    auto const block = [&](auto const& policy) {
        eg::sweep(
            s.model, s.clean, eg::table<int>{{{"entry", 1}}, {0}}, [&](int) { return policy; }, one());
    };
    auto const hidden = eg::knockout(eg::layer(1), eg::at(0), eg::at(2));
    CHECK(refusal([&] { s.model.run(s.prompts, hidden); }) == "policy.never_fired");
    CHECK(refusal([&] { block(hidden); }) == "policy.never_fired");
    CHECK(refusal([&] { block(eg::may_not_fire(hidden)); }) == "nothing");
    CHECK(refusal([&] { block(eg::knockout(eg::layer(1), eg::at(2), eg::at(0))); }) == "nothing");

    // Receivers' values that the clean run kept of some layers only: the plan has no numbers of them.
    auto const few =
        s.model.run(s.prompts, eg::capture_for_sweeps<grouped>() | eg::capture(eg::rot_q, eg::layers(0, 2)));
    auto const receiving = [&](int layer) {
        eg::plan_sweep(s.model, few, eg::each_head<grouped>(),
                       eg::path_from_sender(few, s.noise, s.middle.from(s.there)),
                       eg::receivers(eg::rot_q, {{1, 1}, {layer, 1}}, s.middle), one());
    };
    CHECK_THROWS_AS(receiving(2), eg::missing_activation);
    CHECK(refusal([&] { receiving(0); }) == "nothing");
    CHECK(refusal([] { eg::all_of(std::vector<decltype(eg::scale(eg::z, eg::layer(0), 2))>{}); }) == "all_of.none");
}
