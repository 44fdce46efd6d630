#pragma once

#include <compare>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/model/description.hpp>
#include <engraft/model/site.hpp>
#include <engraft/run/sites_for_sweeps.hpp>
#include <engraft/run/table.hpp>

/// Circuits as edges between what writes to the residual stream and what reads it.
/// source Elhage et al. 2021; Conmy et al. 2023 (ACDC)
namespace engraft {

/// What writes to the stream: a query head, the MLP of a layer, or, in layer 0, the embedding of tokens and positions.
struct edge_sender {
    static constexpr int mlp = std::numeric_limits<int>::max(); ///< behind the heads of its layer
    static constexpr int embedding = -1;                        ///< before the heads of layer 0
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

/// "5.1 -> 6.q3", "2.mlp -> logits", "embed -> 0.mlp"
std::string name_of(edge const& e);

/// Whether the receiver reads the stream behind the sender. An MLP has attention of its own layer before it, unless the
/// two stand in parallel.
constexpr bool reaches(description const& d, edge_sender const& from, edge_receiver const& to) {
    return from.head == edge_sender::embedding || from.layer < to.layer ||
           (from.layer == to.layer && to.input == edge_input::mlp && from.head != edge_sender::mlp &&
            d.residual == residual::sequential);
}

/// All heads and MLPs that write to the stream, in the order of a forward pass.
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

/// Every edge from the embedding. For each of these `rewire` and `edge_patching` need what the noise run's first block
/// reads: capture(resid_pre, layer(0)) beside z and mlp_out. axes [edge]
template <description const& D>
table<edge> each_edge_of_embedding() {
    table<edge> t{{{"edge", 0}}, {}};
    for (auto const& to : edge_receivers(D))
        t.entries.push_back({{0, edge_sender::embedding}, to});
    t.axes.front().size = t.entries.size();
    return t;
}

namespace detail {

/// The sites by which the MLP reads the stream: behind the norm before it, or else behind its own maps. Of experts
/// without a norm there is none [site.exists].
template <description const& D>
using inputs_of_mlp = std::conditional_t<
    D.mlp == mlp::none, site_list<>,
    std::conditional_t<
        has_pre_norms(D) || (D.experts > 0), site_list<sites::normalized2>,
        std::conditional_t<is_gated(D.mlp), site_list<sites::mlp_pre, sites::mlp_gate>, site_list<sites::mlp_pre>>>>;

/// Where receivers' inputs are patched.
template <description const& D>
using receiving_sites =
    join<site_list<sites::q, sites::k, sites::v>, inputs_of_mlp<D>, site_list<sites::final_normalized>>;

/// What noise runs must have kept of the stream's writers.
template <description const& D>
using written_by_senders =
    std::conditional_t<D.mlp == mlp::none, site_list<sites::z>, site_list<sites::z, sites::mlp_out>>;

/// throws bad_layer, bad_head or bad_input for an edge that the model does not have
void require_edge(description const& d, edge const& e);

/// Checks that a noise run has what the edges' senders write.
template <description const& D, class Noise>
void require_senders(std::vector<edge> const& edges) {
    static_assert(holds_all<Noise>(written_by_senders<D>{}),
                  "engraft [cache.site]: the noise run did not keep z and mlp_out; add capture(z, mlp_out) to it");
    if constexpr (!Noise::template holds<sites::resid_pre>)
        for (auto const& e : edges)
            if (e.from.head == edge_sender::embedding)
                throw bad_input({"engraft [edge.embedding]: ", name_of(e),
                                 " is an edge of the embedding, and the noise run did not keep what its first block "
                                 "reads; add capture(resid_pre, layer(0)) to it"});
}

} // namespace detail
} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/edges.ipp>
#endif
