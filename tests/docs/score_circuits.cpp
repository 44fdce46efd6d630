// The code of docs/how_to/score_circuits.md, and checks of what that page says.

#include <iostream>
#include <vector>

#include "catch.hpp"
#include "docs/pair_model.hpp"
#include "temporary_folder.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

TEST_CASE("how to score circuits") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    temporary_folder const results;
    auto const file = results.path / "eap-ig.json";
    auto const model = eg::load<pair_model>(folder + "/tuned");
    // [curve]
    auto const pairs = eg::pairs_of("boxes", model.tokenizer(), {.count = 4, .seed = 10});
    auto const clean = pairs.clean(), corrupted = pairs.corrupted();
    auto const metric = eg::logit_difference(pairs.first_answers(), pairs.first_wrong());

    auto const found =
        eg::attribute_edges(model, clean, corrupted, metric, {.steps = 5}, eg::input_edges::included); // EAP-IG
    auto const curves = eg::edge_curves(model, clean, corrupted, found.ranking(), {metric, eg::kl_to_clean()});
    auto const curve = curves.curve("logit_difference");
    std::cout << "CPR " << curve.cpr() << ", CMD " << curve.cmd() << '\n';
    std::vector<double> const recovered = curve.faithfulness(); // of each of curve.shares
    // [/curve]
    REQUIRE(recovered.size() == 10);
    CHECK(recovered.back() == 1);
    CHECK(curves.kept.back() == found.edges.entries.size());
    CHECK(curve.cpr() > 0.5);

    // [file]
    std::vector<eg::edge> circuit = found.ranking();
    circuit.resize(curves.kept[6]); // the best tenth
    eg::write_eap_graph(file, eg::eap_graph_of(pair_model, found.edges.entries, found.scores, circuit));

    eg::eap_graph const graph = eg::read_eap_graph(file); // or a file of MIB's circuit track
    auto const again = eg::edge_curves(model, clean, corrupted, eg::ranking_of(graph, pair_model), {metric});
    // [/file]
    CHECK(again.found.of() == curves.found.of());
    CHECK(eg::circuit_of(graph, pair_model).size() == circuit.size());

    // [nodes]
    std::vector<eg::edge_sender> const nodes{{5, 1}, {4, 5}, {3}, eg::edge_sender::input()}; // 5.1, 4.5, MLP 3, input
    auto const of_nodes = eg::node_curves(model, clean, corrupted, nodes, {metric}, {.shares = {0, 0.5, 1}});
    // [/nodes]
    CHECK(of_nodes.kept == std::vector<std::size_t>{0, 2, 4});
    CHECK(of_nodes.curve().faithfulness().back() == 1);
}
