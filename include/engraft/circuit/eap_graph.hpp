#pragma once

#include <limits>
#include <vector>

#include <engraft/circuit/edges.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// A scored graph of edges as EAP-IG's programs and MIB's circuit track keep it. Unlike a model here it has queries,
/// keys and values of every query head, also where heads share keys and values. source Hanna et al. 2024; the programs
/// EAP-IG and MIB-circuit-track of its authors
struct eap_graph {
    struct scored_node {
        edge_sender of;
        bool in_circuit = false;
        double score = std::numeric_limits<double>::quiet_NaN(); ///< NaN: not scored

        /// Nodes without a score are equal if all else is.
        friend bool operator==(scored_node const& a, scored_node const& b) {
            return a.of == b.of && a.in_circuit == b.in_circuit &&
                   (a.score == b.score || (a.score != a.score && b.score != b.score));
        }
    };
    struct scored_edge {
        edge of; ///< `to.head` counts query heads, for keys and values too
        bool in_circuit = false;
        double score = 0;

        friend bool operator==(scored_edge const&, scored_edge const&) = default;
    };

    int layers = 0, heads = 0, d_model = 0;
    bool parallel = false; ///< attention and MLP of a layer read the same stream
    std::vector<scored_node> nodes{};
    std::vector<scored_edge> edges{};

    friend bool operator==(eap_graph const&, eap_graph const&) = default;
};

/// The graph of a model's edges. A key or value that query heads share becomes one for each of them, with equal parts
/// of its score. A node is in the circuit if an edge from it is. values: the score of each edge; circuit: those that
/// are in it throws bad_input for edges that the model does not have, or unless there are as many scores
eap_graph eap_graph_of(description const& d, std::vector<edge> const& edges, std::vector<double> const& values,
                       std::vector<edge> const& circuit = {});

/// The model's edges, those from the embeddings included, that of largest size of score first, equal ones in their
/// order. Scores of what query heads share are added up; edges that the graph does not have score 0. throws bad_model
/// if the graph is of another model, bad_input if a score is NaN
std::vector<edge> ranking_of(eap_graph const& g, description const& d);

/// Nodes by the sizes of their own scores in the same way; those without a score are left out, so that they stay.
std::vector<edge_sender> node_ranking_of(eap_graph const& g, description const& d);

/// The model's edges that are in the graph's circuit, for at least one of the heads that share what they read.
/// throws bad_model if the graph is of another model
std::vector<edge> circuit_of(eap_graph const& g, description const& d);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/eap_graph.ipp>
#endif
