// Circuits measured as rows beside ablated runs, against one whole run for each circuit in which every head at every
// position is ablated by itself.

#include <cmath>
#include <numeric>

#include "catch.hpp"
#include "random_models.hpp"

namespace {

using circuits = std::vector<eg::circuit>;

/// Three prompts; in the second one two roles share a position.
struct setting {
    eg::batch tokens = random_prompts(81, {7, 5, 9});
    std::vector<eg::role> roles{{"last", {-1, -1, -1}, {}}, {"query", {4, -1, 6}, {}}, {"early", {1, 2, 0}, {}}};
    std::vector<eg::token> answers{3, 4, 60};
    eg::circuit circuit{{{"writers", "last", {{0, 1}, {1, 0}, {2, 2}, {2, 3}}},
                         {"movers", "last", {{0, 3}, {1, 2}}},
                         {"readers", "query", {{0, 0}, {1, 3}, {1, 1}}},
                         {"first", "early", {{0, 2}, {1, 3}}}}};

    circuits others() const {
        circuits all{{}, circuit};
        eg::random r(5);
        for (int i = 0; i < 3; ++i)
            all.push_back(eg::random_like<grouped>(circuit, r));
        auto bare = circuit; // all heads, at one role
        bare.groups.resize(1);
        bare.groups[0].heads = eg::each_head<grouped>().entries;
        all.push_back(bare);
        return all;
    }

    /// Whether the circuit has a head at a position.
    bool has(eg::circuit const& c, eg::node n, std::size_t example, std::size_t position) const {
        for (auto const& group : c.groups)
            for (auto const& r : roles)
                if (group.role == r.name && tokens.rows().position(example, r.positions[example]) == position &&
                    std::find(group.heads.begin(), group.heads.end(), n) != group.heads.end())
                    return true;
        return false;
    }

    /// Probabilities of the answers with means wherever `ablated(head, example, position)` is true.
    std::vector<double> by_brute_force(auto const& model, auto const& means, auto const& ablated) const {
        using one_head = decltype(eg::ablate(eg::z, eg::nodes({}) & eg::at_each({}), means));
        std::vector<eg::optional_policy<one_head>> policies;
        for (auto const n : eg::each_head<grouped>().entries) {
            std::vector<std::vector<long>> places(3);
            for (std::size_t e = 0; e < 3; ++e)
                for (std::size_t p = 0; p < tokens.rows().length(e); ++p)
                    if (ablated(n, e, p))
                        places[e].push_back(static_cast<long>(p));
            policies.push_back(eg::may_not_fire(eg::ablate(eg::z, eg::nodes({n}) & eg::at_each(places), means)));
        }
        return model.run(tokens, eg::all_of(policies)).logits_at(-1).probability(answers);
    }

    std::vector<double> alone(auto const& model, auto const& means, eg::circuit const& c) const {
        return by_brute_force(model, means, [&](auto... place) { return !has(c, place...); });
    }
    std::vector<double> without(auto const& model, auto const& means, eg::circuit const& c) const {
        return by_brute_force(model, means, [&](auto... place) { return has(c, place...); });
    }

    /// Numbers of all cases, one after the other.
    template <class Measure>
    static std::vector<double> all(circuits const& cases, Measure const& measure) {
        std::vector<double> numbers;
        for (auto const& c : cases)
            for (double const x : measure(c))
                numbers.push_back(x);
        return numbers;
    }
};

double mean_of(std::vector<double> const& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

} // namespace

TEST_CASE("circuits measured beside any other one have the numbers of whole runs, and so has the model without them") {
    setting const s;
    auto const model = random_model<eg::reference>(82);
    auto const means = eg::mean_activations(model, random_prompts(83, {9, 12, 4, 9}), eg::z, {.at_once = 3});
    auto const cases = s.others();
    auto const alone = s.all(cases, [&](eg::circuit const& c) { return s.alone(model, means, c); });
    auto const without = s.all(cases, [&](eg::circuit const& c) { return s.without(model, means, c); });

    CHECK_THROWS_WITH(eg::mean_ablation(model, s.tokens, s.roles, means, {eg::probability(s.answers)},
                                        {.memory = std::nan("")}),
                      Catch::Matchers::ContainsSubstring("memory is not above 0"));
    for (double const memory : {1e9, 1.0}) { // all prompts at once, and one by one
        eg::mean_ablation const f(model, s.tokens, s.roles, means, {eg::probability(s.answers)}, {.memory = memory});
        auto const beside_nothing = f.each(cases);
        CHECK(largest_difference(beside_nothing.of(), alone) < 1e-12);
        CHECK(beside_nothing.planned.flops == beside_nothing.counted);
        CHECK(beside_nothing.planned.cases == 18);
        for (std::size_t i = 0; i < cases.size(); ++i) {
            CHECK(largest_difference(f.each(cases, cases[i]).of(), alone) < 1e-12);
            CHECK(largest_difference(f.alone(cases[i]).of(), s.alone(model, means, cases[i])) < 1e-12);
        }
        CHECK(largest_difference(f.without(cases).of(), without) < 1e-12);
        CHECK(f.whole().of() == model.run(s.tokens).logits_at(-1).probability(s.answers));
        CHECK(largest_difference(f.whole().of(), alone) > 1e-3);

        // Only rows at roles are computed again: one has them in all of three layers.
        CHECK(beside_nothing.planned.rows <= double(cases.size() * (3 + 2 + 3) * 3));
        CHECK(f.each({s.circuit}, s.circuit).planned.rows == 0);
    }
}

TEST_CASE("a divergence is from the whole model, beside whatever run a circuit is computed") {
    setting const s;
    auto const model = random_model<eg::reference>(84);
    auto const means = eg::mean_activations(model, s.tokens, eg::z);
    eg::mean_ablation const f(model, s.tokens, s.roles, means, {eg::kl_to_clean(), eg::probability(s.answers)});
    CHECK(largest_difference(f.whole().of("kl_to_clean"), {0, 0, 0}) < 1e-14);
    auto const beside_itself = f.alone(s.circuit).of("kl_to_clean"),
               beside_nothing = f.each({s.circuit}).of("kl_to_clean");
    CHECK(*std::min_element(beside_itself.begin(), beside_itself.end()) > 1e-4);
    CHECK(largest_difference(beside_itself, beside_nothing) < 1e-12);
    // A circuit of every head everywhere would be the model: at the last position alone it is nearer.
    CHECK(mean_of(f.each({s.others().back()}).of("kl_to_clean")) < mean_of(f.each({{}}).of("kl_to_clean")));
}

TEST_CASE("pair tables and minimal circuits made by sweeps are those of brute force") {
    setting const s;
    std::size_t dropped = 0, kept = 0;
    for (std::uint64_t seed = 86; seed < 89; ++seed) {
        auto const model = random_model<eg::reference>(seed);
        auto const means = eg::mean_activations(model, random_prompts(seed, {9, 9, 9}), eg::z);
        eg::mean_ablation const f(model, s.tokens, s.roles, means, {eg::probability(s.answers)});
        auto const brute_force = [&](eg::circuit const& c) { return mean_of(s.alone(model, means, c)); };
        for (std::size_t g = 0; g < s.circuit.groups.size(); ++g)
            CHECK(largest_difference(eg::measure_pairs(s.circuit, g, f).values,
                                     eg::measure_pairs(s.circuit, g, brute_force).values) < 1e-12);
        eg::minimality_options const options{.threshold = 0, .fraction = 0.3};
        auto const minimal = eg::minimal_circuit(s.circuit, options, f);
        CHECK(minimal == eg::minimal_circuit(s.circuit, options, brute_force));
        for (std::size_t g = 0; g < s.circuit.groups.size(); ++g) {
            kept += minimal.groups[g].heads.size();
            dropped += s.circuit.groups[g].heads.size() - minimal.groups[g].heads.size();
        }
    }
    CHECK(kept > 0);
    CHECK(dropped > 0);
}

TEST_CASE("completeness compares the circuit and the model without the same nodes, and greedily finds the worst") {
    setting s;
    s.circuit.groups[1].heads.push_back({2, 2}); // a node of two groups
    s.roles[1].positions[1] = 3;                 // where roles share a position, K would not be taken away there
    auto const model = random_model<eg::reference>(89);
    auto const means = eg::mean_activations(model, random_prompts(90, {9, 9, 9}), eg::z);
    eg::mean_ablation const f(model, s.tokens, s.roles, means, {eg::probability(s.answers)});
    eg::random r(7);
    auto subsets = eg::each_group(s.circuit);
    REQUIRE(subsets.size() == 4);
    CHECK(subsets[2].nodes.groups == std::vector{s.circuit.groups[2]});
    for (auto& k : eg::random_subsets(s.circuit, 2, r))
        subsets.push_back(std::move(k));
    auto const judge = [&](eg::circuit const& k) {
        auto const of_circuit = s.by_brute_force(
            model, means, [&](auto... place) { return !s.has(s.circuit, place...) || s.has(k, place...); });
        return std::pair(mean_of(of_circuit), mean_of(s.without(model, means, k)));
    };
    auto const lines = eg::completeness(f, s.circuit, subsets);
    REQUIRE(lines.size() == subsets.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        auto const [of_circuit, of_model] = judge(subsets[i].nodes);
        CHECK(lines[i].circuit == Approx(of_circuit).epsilon(1e-12));
        CHECK(lines[i].model == Approx(of_model).epsilon(1e-12));
        CHECK(lines[i].incompleteness() == Approx(std::abs(of_circuit - of_model)).margin(1e-12));
    }

    // Greedy, node by node.
    auto k = s.circuit;
    for (auto& group : k.groups)
        group.heads.clear();
    auto const score = [&](eg::circuit const& c) {
        auto const [of_circuit, of_model] = judge(c);
        return std::abs(of_circuit - of_model);
    };
    double worst = score(k);
    for (int step = 0; step < 3; ++step) {
        auto best = k;
        double most = worst;
        for (std::size_t g = 0; g < k.groups.size(); ++g)
            for (auto const head : eg::heads_not_in(s.circuit.groups[g].heads, k.groups[g].heads)) {
                auto more = k;
                more.groups[g].heads.push_back(head);
                if (double const here = score(more); here > most + 1e-12)
                    most = here, best = more;
            }
        k = best, worst = most;
    }
    auto const found = eg::worst_subset(f, s.circuit, 3);
    CHECK(found.incompleteness() == Approx(worst).epsilon(1e-9));
    CHECK(found.removed.nodes == k);
}

TEST_CASE("means at a role take the place of those of the distance from the end") {
    setting const s;
    auto const model = random_model<eg::reference>(91);
    auto const run = model.run(s.tokens, eg::capture(eg::z));
    auto const streamed = eg::mean_activations(model, s.tokens, eg::z, {.roles = s.roles, .at_once = 1});
    auto const plain = eg::mean(run, eg::z);
    CHECK(streamed.distances() == 9);
    CHECK(streamed.roles() == std::vector<std::string>{"last", "query", "early"});
    for (int layer = 0; layer < 3; ++layer) {
        auto const all = eg::to_host(streamed.view(layer)), at_distances = eg::to_host(plain.view(layer));
        REQUIRE(all.size() == (9 + 3) * 32);
        CHECK(largest_difference(std::vector(all.begin(), all.begin() + 9 * 32), at_distances) < 1e-14);
        auto const z = eg::to_host(run[eg::z].whole(layer));
        for (std::size_t r = 0; r < 3; ++r)
            for (std::size_t c = 0; c < 32; ++c) {
                double sum = 0;
                for (std::size_t e = 0; e < 3; ++e)
                    sum +=
                        z[(s.tokens.rows().begin(e) + s.tokens.rows().position(e, s.roles[r].positions[e])) * 32 + c];
                CHECK(all[(9 + r) * 32 + c] == Approx(sum / 3).margin(1e-14));
            }
    }
    // Where they stand is asked for; the first role of a shared position counts.
    CHECK_THROWS_WITH(streamed.at({s.roles[0]}), Catch::Matchers::ContainsSubstring("query"));
    auto const placed = streamed.at(s.roles);
    auto const ablated = model.run(s.tokens, eg::ablate(eg::z, eg::everywhere, placed) | eg::capture(eg::z));
    auto const slice = [&](std::size_t example, long position) {
        return ablated[eg::z].slice(2, example, position, 1);
    };
    CHECK(slice(0, -1) == slice(1, -1));
    CHECK(slice(0, 4) == slice(2, 6));
    CHECK(slice(0, 1) == slice(2, 0));
    CHECK(slice(0, 4) != slice(0, -1));
    CHECK(slice(0, 2) != slice(0, 1));
}

TEST_CASE("average attention of heads from a role is that of the patterns") {
    setting const s;
    auto const model = random_model<eg::reference>(92);
    std::vector<eg::node> const heads{{1, 3}, {0, 0}};
    std::vector<eg::attention_target> const targets{eg::attention_target::of(s.roles[2]),
                                                    {"some", {{0, 1}, {}, {-1, 2}}}};
    auto const run = model.run(s.tokens, eg::capture(eg::pattern));
    for (auto const at_once : {std::size_t{1}, std::size_t{50}}) {
        auto const found = eg::attention_from(model, s.tokens, s.roles[0], heads, targets, at_once);
        CHECK(found.targets == std::vector<std::string>{"early", "some"});
        for (std::size_t h = 0; h < 2; ++h) {
            double to_role = 0, to_some = 0;
            for (std::size_t e = 0; e < 3; ++e) {
                auto const line = run[eg::pattern].slice(heads[h].layer, e, -1, std::size_t(heads[h].head));
                to_role += line[std::size_t(s.roles[2].positions[e])] / 3;
                for (long const p : targets[1].positions[e])
                    to_some += line[s.tokens.rows().position(e, p)] / 3;
            }
            CHECK(found(h, 0) == Approx(to_role).margin(1e-14));
            CHECK(found(h, 1) == Approx(to_some).margin(1e-14));
        }
    }
    CHECK_THROWS_AS(eg::attention_from(model, s.tokens, s.roles[0], {{3, 0}}, targets), eg::bad_layer);
    CHECK_THROWS_AS(eg::attention_from(model, s.tokens, s.roles[0], heads, {{"short", {{0}}}}), eg::bad_input);
}

TEST_CASE("what does not fit is refused before anything is computed") {
    setting const s;
    auto const model = random_model<eg::reference>(93);
    auto const means = eg::mean_activations(model, s.tokens, eg::z);
    using eg::probability;
    auto const make = [&](std::vector<eg::role> roles, std::vector<eg::metric> metrics) {
        return eg::mean_ablation(model, s.tokens, std::move(roles), means, std::move(metrics));
    };
    CHECK_THROWS_WITH(make(s.roles, {}), Catch::Matchers::ContainsSubstring("[sweep.metric]"));
    CHECK_THROWS_AS(make(s.roles, {probability({1})}), eg::bad_input);
    CHECK_THROWS_AS(make({{"last", {1}, {}}}, {probability(s.answers)}), eg::bad_input);
    CHECK_THROWS_WITH(make({s.roles[0], s.roles[0]}, {probability(s.answers)}),
                      Catch::Matchers::ContainsSubstring("twice"));
    auto const f = make({s.roles[0]}, {probability(s.answers)});
    CHECK_THROWS_WITH(f.alone(s.circuit), Catch::Matchers::ContainsSubstring("`query`"));
    CHECK_THROWS_AS(f.alone({{{"a", "last", {{3, 0}}}}}), eg::bad_layer);
    CHECK_THROWS_AS(f.without({{{{"a", "last", {{0, 4}}}}}}), eg::bad_head);
    CHECK_THROWS_AS(eg::mean_ablation(model, s.tokens, s.roles,
                                      eg::mean_activations(model, random_prompts(1, {3}), eg::z),
                                      {probability(s.answers)})
                        .alone(s.circuit),
                    eg::bad_input);
}
