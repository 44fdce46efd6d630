#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include <engraft/circuit/eap_graph.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft::detail {

inline bool is_shared_input(edge_input input) { return input == edge_input::key || input == edge_input::value; }

inline void require_graph_of(eap_graph const& g, description const& d) {
    if (g.layers != d.layers || g.heads != d.heads || g.d_model != d.d_model ||
        g.parallel != (d.residual == residual::parallel))
        throw bad_model({"the graph is of a model with ", g.layers, " layers, ", g.heads, " heads and d_model ",
                         g.d_model, g.parallel ? ", attention and MLP in parallel" : "", "; ", d.name, " has ",
                         d.layers, " layers, ", d.heads, " heads and d_model ", d.d_model,
                         d.residual == residual::parallel ? ", attention and MLP in parallel" : ""});
}

/// The model's edge that an edge of a graph is, or is a part of.
inline edge merged(edge e, description const& d) {
    if (is_shared_input(e.to.input))
        e.to.head /= d.heads / d.kv_heads;
    return e;
}

/// What stands first has the largest size. throws bad_input for NaN
template <class T>
std::vector<T> best_first(std::vector<T> const& all, std::vector<double> const& scores) {
    std::vector<std::size_t> order(all.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (auto const i : order)
        if (std::isnan(scores[i]))
            throw bad_input({"the score of ", name_of(all[i]), " is NaN, so there is no ranking"});
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return std::abs(scores[i]); });
    std::vector<T> sorted;
    for (auto const i : order)
        sorted.push_back(all[i]);
    return sorted;
}

} // namespace engraft::detail

namespace engraft {

ENGRAFT_BODY eap_graph eap_graph_of(description const& d, std::vector<edge> const& edges,
                                    std::vector<double> const& values, std::vector<edge> const& circuit) {
    if (edges.size() != values.size())
        throw bad_input({edges.size(), " edges have ", values.size(), " values; each edge needs one"});
    std::set<edge> const kept(circuit.begin(), circuit.end());
    std::set<edge_sender> alive;
    for (auto const& e : circuit) {
        detail::require_edge(d, e, input_edges::included);
        alive.insert(e.from);
    }
    eap_graph g{d.layers, d.heads, d.d_model, d.residual == residual::parallel, {}, {}};
    for (auto const& from : edge_senders(d, input_edges::included))
        g.nodes.push_back({from, alive.contains(from)});
    for (std::size_t i = 0; i < edges.size(); ++i) {
        detail::require_edge(d, edges[i], input_edges::included);
        int const shared = detail::is_shared_input(edges[i].to.input) ? d.heads / d.kv_heads : 1;
        for (int h = 0; h < shared; ++h) {
            auto one = edges[i];
            one.to.head = one.to.head * shared + h;
            g.edges.push_back({one, kept.contains(edges[i]), values[i] / shared});
        }
    }
    return g;
}

ENGRAFT_BODY std::vector<edge> ranking_of(eap_graph const& g, description const& d) {
    detail::require_graph_of(g, d);
    std::map<edge, double> values;
    for (auto const& e : g.edges)
        values[detail::merged(e.of, d)] += e.score;
    std::vector<edge> all;
    std::vector<double> of_each;
    for (auto const& to : edge_receivers(d))
        for (auto const& from : edge_senders(d, input_edges::included))
            if (reaches(d, from, to)) {
                all.push_back({from, to});
                auto const found = values.find(all.back());
                of_each.push_back(found == values.end() ? 0 : found->second);
            }
    return detail::best_first(all, of_each);
}

ENGRAFT_BODY std::vector<edge_sender> node_ranking_of(eap_graph const& g, description const& d) {
    detail::require_graph_of(g, d);
    std::vector<edge_sender> all;
    std::vector<double> values;
    for (auto const& n : g.nodes)
        if (!std::isnan(n.score)) {
            all.push_back(n.of);
            values.push_back(n.score);
        }
    return detail::best_first(all, values);
}

ENGRAFT_BODY std::vector<edge> circuit_of(eap_graph const& g, description const& d) {
    detail::require_graph_of(g, d);
    std::set<edge> kept;
    for (auto const& e : g.edges)
        if (e.in_circuit)
            kept.insert(detail::merged(e.of, d));
    return {kept.begin(), kept.end()};
}

} // namespace engraft
