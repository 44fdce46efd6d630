// Faithfulness of growing circuits against numbers of a program of its own, tests/golden/make_faithfulness.py; graphs
// of EAP-IG read and written.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "backends.hpp"
#include "catch.hpp"
#include "golden/models.hpp"
#include "temporary_folder.hpp"

namespace eg = engraft;

namespace {

std::string const data = ENGRAFT_TEST_DATA "/data/gpt2_faithfulness";

struct expected_numbers {
    nlohmann::json all;
    eg::batch clean, corrupted;
    std::vector<eg::metric> metrics;

    explicit expected_numbers(nlohmann::json const& json)
        : all(json), clean(json["clean_tokens"].get<std::vector<std::vector<eg::token>>>()),
          corrupted(json["corrupted_tokens"].get<std::vector<std::vector<eg::token>>>()),
          metrics{eg::logit_difference(json["answers"].get<std::vector<eg::token>>(),
                                       json["wrong"].get<std::vector<eg::token>>()),
                  eg::kl_to_clean()} {}
};

expected_numbers read_expected() {
    std::ifstream file(data + "/expected.json");
    return expected_numbers(nlohmann::json::parse(file));
}

void check_curves(eg::circuit_curves const& found, nlohmann::json const& expected, double tolerance) {
    CHECK(found.kept == expected["kept"].get<std::vector<std::size_t>>());
    for (auto const* name : {"logit_difference", "kl_to_clean"}) {
        INFO(name);
        auto const& there = expected[name];
        auto const curve = found.curve(name);
        CHECK(std::abs(curve.clean - there["clean"].get<double>()) < tolerance);
        CHECK(std::abs(curve.corrupted - there["corrupted"].get<double>()) < tolerance);
        auto const f = curve.faithfulness();
        auto const numbers = there["faithfulness"].get<std::vector<double>>();
        REQUIRE(f.size() == numbers.size());
        for (std::size_t i = 0; i < f.size(); ++i)
            CHECK(std::abs(f[i] - numbers[i]) < tolerance);
        CHECK(std::abs(curve.cpr() - there["cpr"].get<double>()) < tolerance);
        CHECK(std::abs(curve.cmd() - there["cmd"].get<double>()) < tolerance);
    }
}

std::string text_of(std::filesystem::path const& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEMPLATE_TEST_CASE("curves of edges and nodes are those of an independent program", "", eg::reference,
                   eg::cpu<eg::fp32>) {
    double const tolerance = sizeof(typename TestType::value_type) == 4 ? 2e-4 : 1e-9;
    auto const model = eg::load<golden::gpt2, TestType>(ENGRAFT_TEST_DATA "/data/gpt2");
    auto const expected = read_expected();
    auto const graph = eg::read_eap_graph(data + "/graph.json");

    auto const edges = eg::ranking_of(graph, golden::gpt2);
    CHECK(edges.size() == 262);
    auto const whole = eg::edge_curves(model, expected.clean, expected.corrupted, edges, expected.metrics);
    check_curves(whole, expected.all["edges"], tolerance);
    CHECK(whole.found.at(0, 9, 1) == whole.found.clean()[1]); // nothing cut: the bits of the model

    auto const nodes = eg::node_ranking_of(graph, golden::gpt2);
    CHECK(nodes.size() == 16);
    check_curves(eg::node_curves(model, expected.clean, expected.corrupted, nodes, expected.metrics),
                 expected.all["nodes"], tolerance);

    // One example at a time, to the bit.
    double last = 0;
    eg::circuit_curve_options options{.memory = 1, .progress = [&](double share) { last = share; }};
    auto const parts = eg::edge_curves(model, expected.clean, expected.corrupted, edges, expected.metrics, options);
    CHECK(parts.found.of() == whole.found.of());
    CHECK(parts.found.of("kl_to_clean") == whole.found.of("kl_to_clean"));
    CHECK(parts.corrupted.of() == whole.corrupted.of());
    CHECK(last == 1);
}

TEST_CASE("every kind of metric is read from circuits as a sweep reads it") {
    auto const model = eg::load<golden::gpt2, eg::reference>(ENGRAFT_TEST_DATA "/data/gpt2");
    auto const expected = read_expected();
    std::vector<eg::token> const answers{9, 40, 25}, others{3, 18, 51};
    std::vector<eg::metric> const metrics{eg::logit(answers),
                                          eg::probability(answers),
                                          eg::log_probability(answers),
                                          eg::accuracy(answers),
                                          eg::logit_difference(answers, others),
                                          eg::kl_to_clean(),
                                          eg::reading("largest", [](std::span<double const> row, std::size_t e) {
                                              return *std::max_element(row.begin(), row.end()) + double(e);
                                          })};
    std::vector<long> const at{2, -1, 0};
    std::vector<eg::edge_sender> const heads{{0, 1}, {1, 2}, {2}, eg::edge_sender::input()};
    auto const found = eg::node_curves(model, expected.clean, expected.corrupted, heads, metrics,
                                       {.shares = {0.3, 0.8}, .read_at = at});
    CHECK(found.kept == std::vector<std::size_t>{1, 3});

    auto const clean = model.run(expected.clean, eg::capture_for_sweeps<golden::gpt2>());
    auto const noise = model.run(expected.corrupted, eg::capture(eg::embed, eg::z, eg::mlp_out));
    eg::table<int> const one{{{"case", 1}}, {0}};
    auto const swept = eg::sweep(model, clean, one,
                                 [&](int) {
                                     return eg::patch(eg::embed, eg::everywhere, noise) |
                                            eg::patch(eg::z, eg::nodes({{1, 2}}), noise) |
                                            eg::patch(eg::mlp_out, eg::layer(2), noise);
                                 },
                                 metrics, {.read_at = at});
    for (auto const& m : metrics)
        for (std::size_t e = 0; e < 3; ++e) {
            INFO(m.name << " of example " << e);
            CHECK(std::abs(found.found.of(m.name)[e] - swept.of(m.name)[e]) < 1e-12);
            CHECK(std::abs(found.found.clean(m.name)[e] - swept.clean(m.name)[e]) < 1e-12);
        }
}

TEST_CASE("scores of edges from the embeddings are those of a small change of them") {
    auto const model = eg::load<golden::gpt2, eg::reference>(ENGRAFT_TEST_DATA "/data/gpt2");
    auto const expected = read_expected();
    auto const& metric = expected.metrics.front();
    auto const found =
        eg::attribute_edges(model, expected.clean, expected.corrupted, metric, {}, eg::input_edges::included);
    auto const without = eg::attribute_edges(model, expected.clean, expected.corrupted, metric);
    CHECK(found.edges.entries.size() == 262);
    std::vector<double> others;
    for (std::size_t i = 0; i < found.scores.size(); ++i)
        if (!(found.edges.entries[i].from == eg::edge_sender::input()))
            others.push_back(found.scores[i]);
    CHECK(others == without.scores);

    // All edges from the embeddings together: the attribution of the embeddings.
    auto const noise = model.run(expected.corrupted, eg::capture(eg::embed));
    auto const value = [&](double weight) {
        auto const run = model.run(expected.clean, eg::mask(eg::embed, eg::everywhere, {weight}, noise));
        auto const rows = run.logits_at(-1);
        double sum = 0;
        auto const right = rows.of(metric.tokens), wrong = rows.of(metric.others);
        for (std::size_t e = 0; e < 3; ++e)
            sum += (right[e] - wrong[e]) / 3;
        return sum;
    };
    double const h = 1e-4;
    double const slope = (value(1 - h) - value(1 + h)) / (2 * h);
    CHECK(std::abs(found.of_sender(eg::edge_sender::input()) - slope) < 1e-6);
    auto const ranking = found.ranking();
    CHECK(ranking.size() == 262);
    CHECK(ranking.front() == found.edges.entries[found.ranked().front()]);
}

TEST_CASE("a graph of EAP-IG is read, and written so that it is read again") {
    auto const graph = eg::read_eap_graph(data + "/graph.json");
    CHECK(graph.layers == 3);
    CHECK(graph.edges.size() == 262);
    CHECK(graph.nodes.size() == 16);
    temporary_folder const folder;
    auto const again = folder.path / "again.json";
    eg::write_eap_graph(again, graph);
    CHECK(eg::read_eap_graph(again) == graph);
    // The same values under the same names as the Python program wrote.
    auto ours = nlohmann::json::parse(text_of(again)), theirs = nlohmann::json::parse(text_of(data + "/graph.json"));
    CHECK(ours == theirs);

    auto const circuit = eg::circuit_of(graph, golden::gpt2);
    CHECK(circuit.size() == std::size_t(std::count_if(graph.edges.begin(), graph.edges.end(),
                                                      [](auto const& e) { return e.in_circuit; })));
    // A graph of attributions, and back.
    auto const ranking = eg::ranking_of(graph, golden::gpt2);
    std::vector<double> values;
    for (std::size_t i = 0; i < ranking.size(); ++i)
        values.push_back(1.0 / double(i + 1) * (i % 2 ? 1 : -1));
    auto const made = eg::eap_graph_of(golden::gpt2, ranking, values, circuit);
    eg::write_eap_graph(again, made);
    CHECK(eg::ranking_of(eg::read_eap_graph(again), golden::gpt2) == ranking);
    CHECK(eg::circuit_of(eg::read_eap_graph(again), golden::gpt2) == circuit);
}

TEST_CASE("keys and values that heads share are one edge here and several in a graph") {
    auto const& d = golden::llama_gqa; // 4 query heads on 2 key/value heads
    std::vector<eg::edge> const edges{{{0, 1}, {1, eg::edge_input::key, 1}}, {{0}, {2, eg::edge_input::query, 3}}};
    auto const graph = eg::eap_graph_of(d, edges, {0.5, -0.3}, {edges[0]});
    REQUIRE(graph.edges.size() == 3);
    CHECK(graph.edges[0].of.to.head == 2);
    CHECK(graph.edges[1].of.to.head == 3);
    CHECK(graph.edges[1].score == 0.25);
    auto const ranking = eg::ranking_of(graph, d);
    CHECK(ranking[0] == edges[0]);
    CHECK(ranking[1] == edges[1]);
    CHECK(eg::circuit_of(graph, d) == std::vector{edges[0]});
}

TEST_CASE("what is not such a graph is refused with one sentence") {
    temporary_folder const folder;
    auto const file = folder.path / "graph.json";
    auto const refused = [&](std::string const& text, std::string const& because) {
        std::ofstream(file) << text;
        INFO(text);
        CHECK_THROWS_AS(eg::read_eap_graph(file), eg::bad_file);
        CHECK_THROWS_WITH(eg::read_eap_graph(file), Catch::Matchers::ContainsSubstring(because));
    };
    std::string const cfg =
        R"({"cfg": {"n_layers": 2, "n_heads": 2, "parallel_attn_mlp": false, "d_model": 8}, "nodes": {)";
    auto const with_edge = [&](std::string const& name) {
        return cfg + R"(}, "edges": {")" + name + R"(": {"score": 1, "in_graph": true}}})";
    };
    std::ofstream(file) << with_edge("a0.h1->m0");
    CHECK(eg::read_eap_graph(file).edges.front() ==
          eg::eap_graph::scored_edge{{{0, 1}, {0, eg::edge_input::mlp, 0}}, true, 1});
    for (auto const* name : {"a0.h1->m0<q>", "a0.h1->a0.h0<q>", "m0->a1.h0", "a1.h0->a0.h1<v>", "m0->a1.h2<q>",
                             "m2->logits", "input->input", "logits->m1", "a00.h1->m0", "a0.h1->m0 ", "a0.h1", "->",
                             "a0.h-1->m1", "m0->m0", "m0->a1.h0<x>", "m0-><q>"})
        refused(with_edge(name), "has no edge '");
    refused(cfg + R"("a2.h0": {"in_graph": true}}, "edges": {}})", "has no node 'a2.h0'");
    refused(cfg + R"("m0": {"in_graph": true, "neurons": [true]}}, "edges": {}})", "neurons");
    refused(cfg + R"("m0": {"in_graph": 1}}, "edges": {}})", "in_graph");
    refused(cfg + R"("m0": true}, "edges": {}})", "m0");
    refused(cfg + R"(}, "edges": {"m0->m1": {"score": NaN, "in_graph": true}}})", "score");
    refused(cfg + R"(}, "edges": {"m0->m1": {"in_graph": true}}})", "score");
    refused(R"({"cfg": {"n_layers": 0, "n_heads": 2, "d_model": 8}, "nodes": {}, "edges": {}})", "n_layers");
    refused(R"({"nodes": {}, "edges": {}})", "cfg");
    refused("[]", "expected a JSON object");
    refused(cfg, "line");
    // NaN is what Python writes for a node without a score.
    std::ofstream(file) << cfg + R"("m0": {"in_graph": true, "score": NaN}}, "edges": {}})";
    CHECK(std::isnan(eg::read_eap_graph(file).nodes.front().score));

    auto graph = eg::read_eap_graph(data + "/graph.json");
    CHECK_THROWS_AS(eg::ranking_of(graph, golden::llama_mha), eg::bad_model);
    graph.edges.front().score = std::nan("");
    CHECK_THROWS_AS(eg::write_eap_graph(file, graph), eg::bad_input);
    CHECK_THROWS_AS(eg::ranking_of(graph, golden::gpt2), eg::bad_input);
    graph = eg::read_eap_graph(data + "/graph.json");
    graph.edges.push_back(graph.edges.front());
    CHECK_THROWS_AS(eg::write_eap_graph(file, graph), eg::bad_input);
}

TEST_CASE("curves refuse what they can't be made of") {
    auto const model = eg::load<golden::gpt2, eg::reference>(ENGRAFT_TEST_DATA "/data/gpt2");
    auto const expected = read_expected();
    auto const edges = eg::each_edge<golden::gpt2>().entries;
    auto const curves = [&](std::vector<eg::edge> const& ranking, eg::circuit_curve_options const& options = {}) {
        return eg::edge_curves(model, expected.clean, expected.corrupted, ranking, expected.metrics, options);
    };
    using Catch::Matchers::ContainsSubstring;
    auto twice = edges;
    twice.push_back(edges.front());
    CHECK_THROWS_WITH(curves(twice), ContainsSubstring("[faithfulness.ranking]"));
    CHECK_THROWS_WITH(curves(edges, {.shares = {0.5, 0.2}}), ContainsSubstring("[faithfulness.shares]"));
    CHECK_THROWS_WITH(curves(edges, {.shares = {1.5}}), ContainsSubstring("[faithfulness.shares]"));
    CHECK_THROWS_WITH(curves(edges, {.memory = 0}), ContainsSubstring("memory"));
    CHECK_THROWS_WITH(curves({{{2, 1}, {0, eg::edge_input::query, 0}}}), ContainsSubstring("[edge.exists]"));
    CHECK_THROWS_WITH(eg::node_curves(model, expected.clean, expected.corrupted, {{3, 0}}, expected.metrics),
                      ContainsSubstring("[faithfulness.ranking]"));
    CHECK_THROWS_WITH(eg::edge_curves(model, expected.clean, expected.clean, edges, expected.metrics).curve().cpr(),
                      ContainsSubstring("[faithfulness.range]"));
    CHECK_THROWS_WITH(eg::edge_curves(model, expected.clean, expected.clean, edges, {}),
                      ContainsSubstring("[sweep.metric]"));
    CHECK_THROWS_AS(curves(edges).curve("accuracy"), eg::bad_input);
    // Edges from the embeddings: only rewire has them, beside a noise run with embed.
    auto const noise = model.run(expected.corrupted, eg::capture(eg::z, eg::mlp_out));
    CHECK_THROWS_WITH(eg::rewire({{eg::edge_sender::input(), {0, eg::edge_input::query, 0}}}, model, noise),
                      ContainsSubstring("[edge.input]"));
    CHECK(eg::area_under({0, 1, 3}, {1, 3, 5}) == 10);
    eg::faithfulness_curve const beyond{{0, 1}, {3, 1}, 2, 0}; // 1.5, then 0.5
    CHECK(beyond.cpr() == 1);
    CHECK(beyond.cmd() == 0.5);
    CHECK_THROWS_AS(eg::area_under({1, 0}, {1, 3}), eg::bad_input);
}
