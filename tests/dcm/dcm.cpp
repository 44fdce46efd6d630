// Masks trained by `dcm` against the same steps by whole runs.

#include <filesystem>
#include <set>

#include "catch.hpp"
#include "random_models.hpp"

#include <engraft/io/whole_file.hpp>

using Catch::Matchers::ContainsSubstring;

namespace {

using backend = eg::reference;
using numbers = std::vector<double>;

eg::model<grouped, backend> const& small() {
    static auto const model = random_model<backend>(11);
    return model;
}

/// Two groups at roles that stand elsewhere in every prompt.
eg::circuit const& groups() {
    static eg::circuit const both{
        {{"early", "first", {{0, 1}, {0, 3}, {1, 0}}}, {"late", "end", {{1, 2}, {2, 0}, {0, 0}}}}};
    return both;
}

/// Desiderata of prompts of many lengths: most targets are what the model says when a whole group is exchanged, so
/// that accuracies are neither 0 nor 1. `like` and `unlike` share originals and alternates, `other` has its own.
std::vector<eg::desideratum> desiderata(std::size_t examples) {
    std::vector<eg::desideratum> all;
    eg::random r(12);
    for (std::string const name : {"like", "unlike", "other"}) {
        std::vector<std::size_t> lengths, there;
        eg::role first{"first", {}, {}}, end{"end", {}, {}};
        for (std::size_t i = 0; i < examples; ++i) {
            lengths.push_back(4 + r.below(4));
            there.push_back(4 + r.below(4));
            first.positions.push_back(static_cast<long>(r.below(lengths.back() - 1)));
            first.source_positions.push_back(static_cast<long>(r.below(there.back())));
            end.positions.push_back(-1);
            end.source_positions.push_back(-1);
        }
        auto const seed = name == "other" ? 40u : 20u;
        bool const again = name == "unlike";
        all.push_back({name,
                       again ? all[0].original : random_prompts(seed, lengths),
                       again ? all[0].alternate : random_prompts(seed + 1, there),
                       {},
                       again ? all[0].roles : std::vector{first, end}});
        auto& d = all.back();
        auto const source = small().run(d.alternate, eg::capture(eg::z));
        auto const& group = groups().groups[name == "like" ? 0 : 1];
        auto const top =
            small()
                .run(d.original,
                     eg::patch(eg::z, eg::nodes({group.heads[0], group.heads[2]}).at(d.role(group.role)), source))
                .logits_at(-1)
                .top();
        for (std::size_t i = 0; i < examples; ++i)
            d.targets.push_back(r.below(3) ? top[i] : static_cast<eg::token>(r.below(60)));
    }
    return all;
}

eg::dcm_data data() { return eg::dcm_data::split(desiderata(32), 10, 11, 11); }

eg::dcm_options options() {
    eg::dcm_options o{.epochs = 3, .batch = 4, .evaluate_every = 2};
    o.rule.learning_rate = 0.3;
    o.runs.at_once = 5;
    return o;
}

auto mask_of(eg::circuit_group const& group, eg::desideratum const& d, numbers const& weights, auto const& source) {
    return eg::mask(eg::z, eg::nodes(group.heads).at(d.role(group.role)), weights, source);
}

/// Share of examples that give the target, by a whole run. positions: the desideratum whose positions are used.
double followed(eg::circuit_group const& group, eg::desideratum const& d, numbers const& weights,
                eg::desideratum const& positions) {
    auto const source = small().run(d.alternate, eg::capture(eg::z));
    return eg::accuracy(small().run(d.original, mask_of(group, positions, weights, source)).logits_at(-1), d.targets);
}

/// What the protocol says, step by step, by whole runs.
struct plainly_trained {
    numbers best, relaxed;
    double accuracy = -1;
};
plainly_trained train_plainly(eg::circuit_group const& group, eg::desideratum const& train,
                              eg::desideratum const& evaluate, std::size_t weights, eg::dcm_options const& o) {
    plainly_trained found;
    numbers w(weights, 1), m(weights), v2(weights);
    int t = 0;
    for (std::size_t epoch = 0; epoch < o.epochs; ++epoch)
        for (std::size_t b = 0; b * o.batch < train.examples(); ++b) {
            auto const part = train.part(b * o.batch, std::min(o.batch, train.examples() - b * o.batch));
            for (auto& x : w)
                x = std::clamp(x, 0.0, 1.0);
            auto const source = small().run(part.alternate, eg::capture(eg::z));
            auto const g = eg::gradient(small(), part.original, mask_of(group, part, w, source), eg::identity,
                                        eg::logit(part.targets));
            ++t;
            for (std::size_t i = 0; i < weights; ++i) {
                double const slope = -g.template parameters<0>()[i] / double(part.examples()) - o.rule.sparsity;
                m[i] = 0.9 * m[i] + 0.1 * slope;
                v2[i] = 0.999 * v2[i] + 0.001 * slope * slope;
                w[i] -= o.rule.learning_rate * m[i] / (1 - std::pow(0.9, t)) /
                        (std::sqrt(v2[i] / (1 - std::pow(0.999, t))) + 1e-8);
            }
            if (b % o.evaluate_every != 0)
                continue;
            numbers whole, now;
            for (auto x : w) {
                now.push_back(std::clamp(x, 0.0, 1.0));
                whole.push_back(now.back() > 0.5 ? 1 : 0);
            }
            double const accuracy = followed(group, evaluate, whole, evaluate);
            auto const zeros = [](numbers const& of) { return std::count(of.begin(), of.end(), 0.0); };
            if (accuracy > found.accuracy || (accuracy == found.accuracy && zeros(whole) > zeros(found.best)))
                found = {whole, now, accuracy};
        }
    return found;
}

bool same(std::vector<eg::dcm_result> const& a, std::vector<eg::dcm_result> const& b) {
    bool all = a.size() == b.size();
    for (std::size_t i = 0; all && i < a.size(); ++i)
        all = a[i].mask == b[i].mask && a[i].chosen == b[i].chosen && a[i].accuracy == b[i].accuracy &&
              a[i].test_accuracy == b[i].test_accuracy && a[i].group_accuracy == b[i].group_accuracy;
    return all;
}

} // namespace

TEST_CASE("masks that are trained together are those of whole runs, each by itself") {
    auto const all = data();
    auto const circuit = groups();
    for (auto const of : {eg::granularity::head, eg::granularity::neuron}) {
        auto o = options();
        o.of = of;
        auto const found = eg::dcm(small(), circuit, all, o);
        REQUIRE(found.size() == 6);
        std::set<double> accuracies;
        std::size_t chosen = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
            auto const& group = circuit.groups[i / 3];
            auto const& one = found[i];
            auto const &d = all.train[i % 3], &test = all.test[i % 3];
            CAPTURE(group.name, d.name);
            CHECK(one.group == group.name);
            CHECK(one.role == group.role);
            CHECK(one.desideratum == d.name);
            auto const each = of == eg::granularity::head ? 1 : grouped.d_head;
            auto const plain = train_plainly(group, d, all.evaluate[i % 3], group.heads.size() * each, o);
            CHECK(largest_difference(one.mask, plain.relaxed) < 1e-9);
            CHECK(one.accuracy == plain.accuracy);
            CHECK(one.exchanged == std::size_t(std::count(plain.best.begin(), plain.best.end(), 0.0)));
            CHECK(one.test_accuracy == followed(group, test, plain.best, test));
            CHECK(one.group_accuracy == followed(group, test, numbers{0}, test));
            CHECK(one.clean_accuracy == eg::accuracy(small().run(test.original).logits_at(-1), test.targets));
            if (of == eg::granularity::head)
                CHECK(one.chosen == eg::chosen_heads(group.heads, plain.relaxed));
            accuracies.insert(one.accuracy);
            chosen += one.exchanged;
        }
        CHECK(accuracies.size() > 2); // or this test would see little
        CHECK(chosen > 3);
    }
}

TEST_CASE("weights of directions: along the axes they are those of elements, in any basis their gradient is exact") {
    auto const all = data();
    auto o = options();
    eg::masked_directions axes;
    eg::circuit const circuit{{groups().groups[0]}};
    for (auto n : circuit.groups[0].heads)
        for (int i = 0; i < grouped.d_head; ++i) {
            axes.bases[n].emplace_back(grouped.d_head);
            axes.bases[n].back()[std::size_t(i)] = 1;
        }
    auto const by_direction = eg::dcm(small(), circuit, all, axes, o);
    o.of = eg::granularity::neuron;
    auto const by_element = eg::dcm(small(), circuit, all, o);
    REQUIRE(by_direction.size() == by_element.size());
    for (std::size_t i = 0; i < by_element.size(); ++i) {
        CHECK(largest_difference(by_direction[i].mask, by_element[i].mask) < 1e-9);
        CHECK(by_direction[i].accuracy == by_element[i].accuracy);
        CHECK(by_direction[i].test_accuracy == by_element[i].test_accuracy);
        CHECK(by_direction[i].group_accuracy == by_element[i].group_accuracy);
        CHECK(by_direction[i].clean_accuracy == by_element[i].clean_accuracy);
        CHECK(by_direction[i].chosen == by_element[i].chosen);
    }
    CHECK_THROWS_WITH(eg::dcm(small(), groups(), all, axes, o), ContainsSubstring("has no basis"));

    double const half = std::sqrt(0.5);
    std::vector<numbers> const basis{{half, half, 0, 0, 0, 0, 0, 0}, {0, 0, 0.6, 0, 0.8, 0, 0, 0}};
    auto const& d = all.train[0];
    auto const source = small().run(d.alternate, eg::capture(eg::z));
    auto const value = [&](numbers const& w) {
        return eg::gradient(small(), d.original,
                            eg::mask_directions(eg::z, eg::nodes({{1, 2}}).at(d.role("first")), basis, w, source),
                            eg::identity, eg::logit(d.targets));
    };
    numbers const w{0.3, 0.9};
    auto const slope = value(w).parameters<0>();
    for (std::size_t i = 0; i < 2; ++i) {
        auto up = w, down = w;
        up[i] += 1e-5;
        down[i] -= 1e-5;
        double change = 0;
        for (std::size_t x = 0; x < d.examples(); ++x)
            change += (value(up).values()[x] - value(down).values()[x]) / 2e-5;
        CHECK(slope[i] == Approx(change).epsilon(1e-6));
        CHECK(std::abs(slope[i]) > 1e-6);
    }
    CHECK_THROWS_WITH(value({1}), ContainsSubstring("[mask.weights]"));
    CHECK_THROWS_WITH(value({1, 1.5}), ContainsSubstring("[mask.weights]"));
}

TEST_CASE("positions of an evaluation are those of the evaluated prompts") {
    // The paper's public code took some of them from the batch that was trained on.
    auto const all = data();
    auto const circuit = groups();
    auto const found = eg::dcm(small(), circuit, all, options());
    bool matters = false;
    for (std::size_t i = 0; i < found.size(); ++i) {
        auto const& group = circuit.groups[i / 3];
        auto const& evaluated = all.evaluate[i % 3];
        numbers const whole = eg::rounded(found[i].mask);
        CHECK(found[i].accuracy == followed(group, evaluated, whole, evaluated));
        auto trained_on = all.evaluate[i % 3]; // with positions of the examples that were trained on
        for (auto& r : trained_on.roles) {
            auto const& wrong = all.train[i % 3].role(r.name);
            for (std::size_t x = 0; x < r.positions.size(); ++x)
                if (r.name == "first") {
                    auto const y = x % wrong.positions.size();
                    r.positions[x] =
                        std::min<long>(wrong.positions[y], static_cast<long>(evaluated.original.rows().length(x)) - 1);
                    r.source_positions[x] = std::min<long>(wrong.source_positions[y],
                                                           static_cast<long>(evaluated.alternate.rows().length(x)) - 1);
                }
        }
        matters = matters || found[i].accuracy != followed(group, evaluated, whole, trained_on);
    }
    CHECK(matters);
}

TEST_CASE("memory, parts and company change no mask") {
    auto const all = data();
    auto const once = eg::dcm(small(), groups(), all, options());
    auto o = options();
    o.rows_at_once = 1;
    o.runs.memory = 0;
    o.runs.at_once = 3;
    CHECK(same(once, eg::dcm(small(), groups(), all, o)));

    eg::dcm_data one;
    for (auto* list : {&one.train, &one.evaluate, &one.test})
        list->push_back((list == &one.train ? all.train : list == &one.test ? all.test : all.evaluate)[1]);
    auto const alone = eg::dcm(small(), {{groups().groups[1]}}, one, options());
    REQUIRE(alone.size() == 1);
    CHECK(same({once[4]}, alone));
}

TEST_CASE("a training that was stopped goes on as if it had not been, also from a file") {
    auto const all = data();
    std::vector<eg::dcm_state> states;
    auto o = options();
    double progress = 0;
    o.checkpoint = [&](eg::dcm_state const& s) { states.push_back(s); };
    o.progress = [&](double p) {
        CHECK(p > progress);
        progress = p;
    };
    auto const whole = eg::dcm(small(), groups(), all, o);
    CHECK(progress == 1);
    REQUIRE(states.size() == 6); // 3 batches in each of 3 epochs: after the first and the third
    auto const file = std::filesystem::temp_directory_path() / "engraft_dcm_state.json";
    for (std::size_t i : {std::size_t(0), states.size() / 2}) {
        eg::write_dcm_state(file, states[i]);
        auto const read = eg::read_dcm_state(file);
        CHECK(read == states[i]);
        CHECK(same(whole, eg::dcm(small(), groups(), all, options(), read)));
    }
    CHECK(same(whole, eg::dcm(small(), groups(), all, options(), states.back())));

    o = options();
    o.rule.sparsity = 0.02;
    auto const other = "is of other groups, desiderata, prompts";
    CHECK_THROWS_WITH(eg::dcm(small(), groups(), all, o, states[0]), ContainsSubstring(other));
    CHECK_THROWS_WITH(eg::dcm(random_model<backend>(12), groups(), all, options(), states[0]),
                      ContainsSubstring(other));
    auto moved = data();
    auto& position = moved.evaluate[0].roles[0].positions[0];
    position = position == 0 ? 1 : 0;
    CHECK_THROWS_WITH(eg::dcm(small(), groups(), moved, options(), states[0]), ContainsSubstring(other));

    auto const refuse = [&](std::string const& text, char const* why) {
        eg::write_whole_file(file, text);
        CHECK_THROWS_WITH(eg::read_dcm_state(file), ContainsSubstring(why));
    };
    refuse("{", "not valid JSON");
    refuse(R"({"of": "x", "step": -1, "masks": []})", "'step' must be a whole number");
    refuse(R"({"of": "x", "step": 1, "masks": [{"group": "a"}]})", "'desideratum' is missing");
    refuse(R"({"of": "x", "step": 1, "masks": [], "stop": 5})", "'stop' is 5, but no such key is read here");
    refuse(R"({"of": "x", "step": 1, "masks": [{"group": "a", "bets": []}]})", "'bets' is an array of 0, but no such");
    std::filesystem::remove(file);
}

TEST_CASE("masks are written in the form of the released ones") {
    auto const file = std::filesystem::temp_directory_path() / "engraft_masks.json";
    std::vector<eg::mask_record> const masks{{"early", "like", {0.25, 1, -0.5}, {{0, 1}}, 0.75},
                                             {"early", "other", {0.1, 0.2, 0.3}, {}, 0},
                                             {"late", "like", {1}, {{2, 3}, {1, 0}}, 1}};
    eg::write_masks(file, masks);
    auto const read = eg::read_masks(file);
    REQUIRE(read.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(read[i].group == masks[i].group);
        CHECK(read[i].desideratum == masks[i].desideratum);
        CHECK(read[i].mask == masks[i].mask);
        CHECK(read[i].heads == masks[i].heads);
        CHECK(read[i].test_accuracy == masks[i].test_accuracy);
    }
    eg::write_whole_file(file, R"({"a": {"b": {"heads": [], "mask": [], "test_accuracy": 1, "masks": [1]}}})");
    CHECK_THROWS_WITH(eg::read_masks(file), ContainsSubstring("a: b: 'masks' is an array of 1, but no such key"));
    CHECK_THROWS_AS(eg::write_masks(file, {masks[0], masks[0]}), eg::bad_input);
    CHECK_THROWS_AS(eg::write_masks(file, {}), eg::bad_input);
    CHECK_THROWS_AS(eg::write_masks(file, {{"two\nlines", "like", {1}, {}, 1}}), eg::bad_input);
    std::filesystem::remove(file);
}

TEST_CASE("the loss of a mask falls by its gradient, whatever the rule") {
    for (eg::mask_rule const rule : {eg::mask_rule{}, eg::mask_rule{.start = 0.7, .undecided = 0.3},
                                     eg::mask_rule{.start = 0.9, .temperature = 0.5, .last_factor = 0.1}}) {
        auto mask = eg::untrained_mask(rule, 3);
        mask.parameters = {0.4, 0.6, 0.8};
        numbers const of_target{0.5, -0.25, 2};
        double const progress = 0.5;
        // A target that is linear in the weights has these derivatives.
        auto const loss = [&](numbers const& parameters) {
            auto const w = eg::weights_of(rule, {parameters, {}}, progress);
            return eg::mask_loss(rule, w, of_target[0] * w[0] + of_target[1] * w[1] + of_target[2] * w[2]);
        };
        auto const before = mask.parameters;
        auto const gradient = eg::descend(rule, mask, of_target, progress);
        for (std::size_t i = 0; i < 3; ++i) {
            auto up = before, down = before;
            up[i] += 1e-6;
            down[i] -= 1e-6;
            CHECK(gradient[i] == Approx((loss(up) - loss(down)) / 2e-6).epsilon(1e-6));
            CHECK((mask.parameters[i] < before[i]) == (gradient[i] > 0));
            // Adam's first step is the learning rate, as far as it has fallen.
            CHECK(std::abs(mask.parameters[i] - before[i]) ==
                  Approx(rule.learning_rate * std::sqrt(rule.last_factor)).epsilon(1e-6));
        }
    }
    CHECK(eg::rounded({0, 0.5, 0.500001, 1}) == numbers{0, 0, 1, 1});
    CHECK_THROWS_AS(eg::untrained_mask({.start = 1.5}, 1), eg::bad_input);
    CHECK_THROWS_AS(eg::untrained_mask({.start = 1, .temperature = 1}, 1), eg::bad_input);
    CHECK_THROWS_AS(eg::untrained_mask({.last_factor = 0}, 1), eg::bad_input);
}

TEST_CASE("what can't be trained is refused by one sentence") {
    auto const refuse = [](eg::dcm_data const& d, eg::circuit const& c, eg::dcm_options const& o, char const* why) {
        CHECK_THROWS_WITH(eg::dcm(small(), c, d, o), ContainsSubstring(why));
    };
    auto const all = data();
    refuse({}, groups(), options(), "there are none of the one or the other");
    auto o = options();
    o.batch = 0;
    refuse(all, groups(), o, "batches of at least one example");
    auto fewer = all;
    fewer.test.pop_back();
    refuse(fewer, groups(), options(), "the same desiderata in the same order");
    auto shorter = all;
    shorter.train[1] = shorter.train[1].part(0, 3);
    refuse(shorter, groups(), options(), "`unlike` has 3 examples to train on");
    auto circuit = groups();
    circuit.groups[0].role = "nowhere";
    refuse(all, circuit, options(), "no role `nowhere`");
    circuit.groups[0].heads = {};
    refuse(all, circuit, options(), "`early` has no heads");
    circuit = groups();
    circuit.groups[1].heads = {{9, 0}};
    CHECK_THROWS_AS(eg::dcm(small(), circuit, all, options()), eg::bad_layer);
}
