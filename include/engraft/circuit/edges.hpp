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

/// What writes to the stream: a query head, or the MLP of a layer, or the token embeddings.
struct edge_sender {
    static constexpr int mlp = std::numeric_limits<int>::max(); ///< behind the heads of its layer
    static constexpr int before_layers = -1;                    ///< the layer of the embeddings
    int layer = 0;
    int head = mlp;

    /// The token embeddings ("input" in EAP-IG's graphs); learned positions are not part of them.
    static constexpr edge_sender input() { return {before_layers, mlp}; }

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
    /// Receiver by receiver, in the order of a forward pass.
    friend std::strong_ordering operator<=>(edge const& a, edge const& b) {
        auto const by_receiver = a.to <=> b.to;
        return by_receiver != 0 ? by_receiver : a.from <=> b.from;
    }
};

/// "5.1", "2.mlp", "input"
std::string name_of(edge_sender const& from);

/// "5.1 -> 6.q3", "2.mlp -> logits", "input -> 0.v2"
std::string name_of(edge const& e);

/// Whether the receiver reads the stream behind the sender. An MLP has attention of its own layer before it, unless the
/// two stand in parallel.
constexpr bool reaches(description const& d, edge_sender const& from, edge_receiver const& to) {
    return from.layer < to.layer || (from.layer == to.layer && to.input == edge_input::mlp &&
                                     from.head != edge_sender::mlp && d.residual == residual::sequential);
}

/// Whether the edges from the token embeddings are among a model's edges.
enum class input_edges { left_out, included };

/// All that writes to the stream, in the order of a forward pass.
std::vector<edge_sender> edge_senders(description const& d, input_edges input = input_edges::left_out);

/// All that reads the stream, in the order of a forward pass.
std::vector<edge_receiver> edge_receivers(description const& d);

/// Every edge from a head or an MLP, and from the embeddings if they are included, receiver by receiver. axes [edge]
template <description const& D>
table<edge> each_edge(input_edges input = input_edges::left_out) {
    table<edge> t{{{"edge", 0}}, {}};
    for (auto const& to : edge_receivers(D))
        for (auto const& from : edge_senders(D, input))
            if (reaches(D, from, to))
                t.entries.push_back({from, to});
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

/// What noise runs must have kept of heads and MLPs.
template <description const& D>
using written_by_senders =
    std::conditional_t<D.mlp == mlp::none, site_list<sites::z>, site_list<sites::z, sites::mlp_out>>;

/// throws bad_input for an edge that the model does not have
void require_edge(description const& d, edge const& e, input_edges input = input_edges::left_out);

/// The same for each of them, beside a noise run.
template <description const& D, class Noise>
void require_edges(std::vector<edge> const& edges) {
    static_assert(holds_all<Noise>(written_by_senders<D>{}),
                  "engraft [cache.site]: the noise run did not keep z and mlp_out; add capture(z, mlp_out) to it");
    for (auto const& e : edges)
        require_edge(D, e, Noise::template holds<sites::embed> ? input_edges::included : input_edges::left_out);
}

} // namespace detail
} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/edges.ipp>
#endif
