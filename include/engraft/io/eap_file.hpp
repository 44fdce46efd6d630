#pragma once

#include <filesystem>

#include <engraft/circuit/eap_graph.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

/// Reads the JSON that `Graph.to_json` of EAP-IG writes, which MIB's circuit track takes as a circuit:
/// {"cfg": {"n_layers", "n_heads", "parallel_attn_mlp", "d_model"},
///  "nodes": {"input", "a0.h1", "m0", "logits": {"in_graph", "score"}, ...},
///  "edges": {"input->a0.h1<q>", "a0.h1->m0", "m0->logits": {"score", "in_graph"}, ...}}
/// Nodes without a score have none, or NaN as Python writes it. Edges that are not in the file are not in the graph.
/// Nodes and edges come in the order of a forward pass.
/// throws bad_file for anything else, such as graphs of single neurons, and for edges that no such model has
eap_graph read_eap_graph(std::filesystem::path const& path);

/// Writes a graph in that form; all of it or, on an error, nothing.
/// throws bad_input if a score of an edge is not finite, a node or edge does not fit the graph's layers and heads or
/// comes twice, or the file can't be written
void write_eap_graph(std::filesystem::path const& path, eap_graph const& g);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/eap_file.ipp>
#endif
