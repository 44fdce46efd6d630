#pragma once

#include <compare>
#include <limits>
#include <string>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/model/description.hpp>
#include <engraft/run/table.hpp>

/// Circuits as edges between what writes to the residual stream and what reads it.
/// source Elhage et al. 2021; Conmy et al. 2023 (ACDC)
namespace engraft {

/// What writes to the stream: a query head, or the MLP of a layer.
struct edge_sender {
    static constexpr int mlp = std::numeric_limits<int>::max(); ///< behind the heads of its layer
    int layer = 0;
    int head = mlp;

    friend bool operator==(edge_sender const&, edge_sender const&) = default;
    friend auto operator<=>(edge_sender const&, edge_sender const&) = default;
};

enum class edge_input { query, key, value, mlp, unembedding };

/// What reads the stream: the query of a query head, the key or the value of a key/value head, the MLP of a layer, or
/// the logits (whose layer is the number of layers).
struct edge_receiver {
    int layer = 0;
    edge_input input = edge_input::query;
    int head = 0; ///< 0 for an MLP and the logits

    friend bool operator==(edge_receiver const&, edge_receiver const&) = default;
    friend auto operator<=>(edge_receiver const&, edge_receiver const&) = default;
};

/// The direct edge: what the receiver reads of what the sender writes, whatever passes by others left out.
struct edge {
    edge_sender from;
    edge_receiver to;

    friend bool operator==(edge const&, edge const&) = default;
};

/// "5.1 -> 6.q3", "2.mlp -> logits"
std::string name_of(edge const& e);

/// Whether the receiver reads the stream behind the sender. An MLP has attention of its own layer before it, unless the
/// two stand in parallel.
constexpr bool reaches(description const& d, edge_sender const& from, edge_receiver const& to) {
    return from.layer < to.layer || (from.layer == to.layer && to.input == edge_input::mlp &&
                                     from.head != edge_sender::mlp && d.residual == residual::sequential);
}

/// All that writes to the stream, in the order of a forward pass.
std::vector<edge_sender> edge_senders(description const& d);

/// All that reads the stream, in the order of a forward pass.
std::vector<edge_receiver> edge_receivers(description const& d);

/// Every edge from a head or an MLP, receiver by receiver. axes [edge]
template <description const& D>
table<edge> each_edge() {
    table<edge> t{{{"edge", 0}}, {}};
    for (auto const& to : edge_receivers(D))
        for (auto const& from : edge_senders(D))
            if (reaches(D, from, to))
                t.entries.push_back({from, to});
    t.axes.front().size = t.entries.size();
    return t;
}

namespace detail {

/// throws bad_layer, bad_head or bad_input for an edge that the model does not have
void require_edge(description const& d, edge const& e);

} // namespace detail
} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/edges.ipp>
#endif
