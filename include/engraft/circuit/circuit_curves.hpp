#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>
#include <vector>

#include <engraft/circuit/attribution.hpp>
#include <engraft/circuit/edges.hpp>
#include <engraft/circuit/faithfulness_curve.hpp>
#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/circuit/rewire.hpp>
#include <engraft/circuit/run_metrics.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/intervene/patch.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

namespace detail {

/// Metrics of the circuits that keep the first parts of a ranking. policy_of(how many are kept, noise run) is what
/// takes the others out.
template <description const& D, class B, class PolicyOf>
circuit_curves curves_of(model<D, B> const& m, batch const& clean, batch const& corrupted, std::size_t ranked,
                         std::vector<metric> const& metrics, circuit_curve_options const& options,
                         double numbers_per_row, PolicyOf const& policy_of) {
    require_pairs(clean, corrupted);
    require_curve(options);
    metric_reader<D, B>(m.backend(), *m.shared_weights(), metrics, clean.examples());
    role read_at{"read_at", options.read_at, {}};
    if (read_at.positions.empty())
        read_at.positions.assign(clean.examples(), -1);
    places_of(read_at, clean.rows());

    circuit_curves all{options.shares,
                       {},
                       sweep_result({{"circuit", options.shares.size()}}, clean.examples(), metrics),
                       sweep_result({{"circuit", 1}}, clean.examples(), metrics)};
    for (double const share : options.shares)
        all.kept.push_back(static_cast<std::size_t>(share * static_cast<double>(ranked)));

    double const bytes = static_cast<double>(clean.rows().longest()) * numbers_per_row * sizeof(typename B::value_type);
    auto const fit = static_cast<std::size_t>(std::clamp(options.memory / bytes, 1.0, 1e9));
    auto const parts = parts_of_batch(clean.examples(), fit);
    std::size_t done = 0;
    for (auto const& part : parts) {
        auto const tokens = part.of(clean);
        auto const at = part.of(read_at);
        auto const of_part = part.of_each(metrics);
        auto const noise = m.run(part.of(corrupted), capture(sites::embed{}, sites::z{}, sites::mlp_out{}));
        auto const whole = m.run(tokens).logits_at(at);
        auto const distributions = log_probabilities(whole);
        auto const read = [&](auto const& rows, auto const& use) {
            for (std::size_t k = 0; k < of_part.size(); ++k) {
                auto const values = read_metric(of_part[k], rows, distributions);
                for (std::size_t e = 0; e < part.count; ++e)
                    use(k, part.first + e, values[e]);
            }
        };
        read(whole, [&](auto k, auto e, double value) { all.found.set_clean(k, e, value); });
        read(noise.logits_at(at), [&](auto k, auto e, double value) { all.corrupted.set(k, 0, e, value); });
        for (std::size_t i = 0; i < all.kept.size(); ++i) {
            read(m.run(tokens, policy_of(all.kept[i], noise)).logits_at(at),
                 [&](auto k, auto e, double value) { all.found.set(k, i, e, value); });
            if (options.progress)
                options.progress(static_cast<double>(++done) / static_cast<double>(parts.size() * all.kept.size()));
        }
    }
    return all;
}

} // namespace detail

/// Faithfulness of circuits of edges: of each share, the model in which the best so many edges of the ranking read what
/// their senders write in this run, and all others what these write for the corrupted prompts (`rewire`). Edges that
/// the ranking does not have are never cut. A forward pass per share.
///
///     auto const found = attribute_edges(model, clean, corrupted, metric, {.steps = 5}, input_edges::included);
///     auto const curve = edge_curves(model, clean, corrupted, found.ranking(), {metric}).curve();
///     curve.cpr(), curve.cmd();
///
/// These are CPR and CMD of MIB's circuit track where heads share no keys and values and the ranking has all edges,
/// those from the embeddings included. (MIB counts one edge for each query head that reads a key; here keys and values
/// that heads share are one receiver.)
/// best_first: each edge once. throws bad_input for pairs of unequal length, edges that the model does not have or that
/// come twice, and metrics that do not fit
/// source Mueller et al. 2025, section 3.1; Hanna et al. 2024, section 3
template <description const& D, class B>
circuit_curves edge_curves(model<D, B> const& m, batch const& clean, batch const& corrupted,
                           std::vector<edge> const& best_first, std::vector<metric> const& metrics,
                           circuit_curve_options const& options = {}) {
    for (auto const& e : best_first)
        detail::require_edge(D, e, input_edges::included);
    auto sorted = best_first;
    std::ranges::sort(sorted);
    if (auto const twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
        throw bad_input({"engraft [faithfulness.ranking]: ", name_of(*twice), " comes twice in the ranking; give each ",
                         "edge once"});
    // What rewire keeps of each row, and the noise run.
    double const numbers = D.layers * ((D.heads + 2.0) * D.d_model + 1.0 * D.heads * D.d_head) + 8.0 * D.d_model;
    return detail::curves_of(
        m, clean, corrupted, best_first.size(), metrics, options, numbers, [&](std::size_t kept, auto const& noise) {
            return may_not_fire(
                rewire({best_first.begin() + static_cast<std::ptrdiff_t>(kept), best_first.end()}, m, noise));
        });
}

/// The same of nodes: heads, MLPs and the embeddings (`edge_sender::input()`) that are not among the best write what
/// they write for the corrupted prompts, whoever reads it. Nodes that the ranking does not have stay.
/// throws as `edge_curves`
template <description const& D, class B>
circuit_curves node_curves(model<D, B> const& m, batch const& clean, batch const& corrupted,
                           std::vector<edge_sender> const& best_first, std::vector<metric> const& metrics,
                           circuit_curve_options const& options = {}) {
    auto const all = edge_senders(D, input_edges::included);
    std::set<edge_sender> seen;
    for (auto const& n : best_first) {
        if (std::ranges::find(all, n) == all.end())
            throw bad_input({"engraft [faithfulness.ranking]: this model has no node ", name_of(n),
                             "; nodes are those of edge_senders(description, input_edges::included)"});
        if (!seen.insert(n).second)
            throw bad_input({"engraft [faithfulness.ranking]: ", name_of(n), " comes twice in the ranking; give each ",
                             "node once"});
    }
    double const numbers = D.layers * (1.0 * D.heads * D.d_head + D.d_model) + 8.0 * D.d_model;
    return detail::curves_of(
        m, clean, corrupted, best_first.size(), metrics, options, numbers, [&](std::size_t kept, auto const& noise) {
            std::vector<node> heads;
            std::vector<int> mlps;
            bool input = false;
            for (auto i = kept; i < best_first.size(); ++i)
                if (best_first[i] == edge_sender::input())
                    input = true;
                else if (best_first[i].head == edge_sender::mlp)
                    mlps.push_back(best_first[i].layer);
                else
                    heads.push_back({best_first[i].layer, best_first[i].head});
            std::vector<std::size_t> examples_of_input;
            for (std::size_t e = 0; input && e < noise.rows().examples(); ++e)
                examples_of_input.push_back(e);
            return may_not_fire(patch(sites::embed{}, examples(std::move(examples_of_input)), noise) |
                                patch(sites::z{}, nodes(std::move(heads)), noise) |
                                patch(sites::mlp_out{}, layers(std::move(mlps)), noise));
        });
}

} // namespace engraft
