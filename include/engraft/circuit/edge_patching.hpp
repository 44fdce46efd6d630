#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include <engraft/circuit/edges.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/journal.hpp>
#include <engraft/intervene/freeze.hpp>
#include <engraft/intervene/patch.hpp>
#include <engraft/run/sweep.hpp>

namespace engraft {

namespace detail {

/// All of a batch, or none.
inline std::vector<std::size_t> all_examples(std::size_t count, bool any) {
    std::vector<std::size_t> all(any ? count : 0);
    std::iota(all.begin(), all.end(), std::size_t(0));
    return all;
}

/// What all receivers read when one sender alone writes what it writes in the noise run: every other head's z and every
/// other MLP's output are held at their clean values, so that nothing but the stream passes it on.
template <description const& D, class B, class Clean, class Noise>
auto run_of_sender(model<D, B> const& m, batch const& tokens, Clean const& clean, Noise const& noise,
                   edge_sender const& from) {
    auto const kept = capture_all(receiving_sites<D>{});
    bool const is_mlp = from.head == edge_sender::mlp && from != edge_sender::input();
    auto const one =
        nodes(from.head == edge_sender::mlp ? std::vector<node>{} : std::vector{node{from.layer, from.head}});
    auto const heads = freeze(sites::z{}, everywhere - one, clean) | patch(sites::z{}, one, noise);
    auto const with_input = [&] {
        if constexpr (Noise::template holds<sites::embed>)
            return patch(sites::embed{}, examples(all_examples(tokens.examples(), from == edge_sender::input())),
                         noise) |
                   heads;
        else
            return heads;
    }();
    if constexpr (D.mlp == mlp::none) {
        return m.run(tokens, may_not_fire(with_input) | kept);
    } else {
        auto const its = layers(is_mlp ? std::vector<int>{from.layer} : std::vector<int>{});
        return m.run(tokens, may_not_fire(with_input | freeze(sites::mlp_out{}, everywhere - its, clean) |
                                          patch(sites::mlp_out{}, its, noise)) |
                                 kept);
    }
}

/// The policy that makes one receiver read what it reads in `source`: of its parts one acts, or those of the MLP do.
template <description const& D, class Source>
auto patch_receiver(edge_receiver const& to, Source const& source) {
    auto const heads_if = [&](edge_input input) {
        return to.input == input ? std::vector<node>{{to.layer, to.head}} : std::vector<node>{};
    };
    auto const all = examples(all_examples(source.rows().examples(), to.input == edge_input::unembedding));
    auto const mlp_layers = to.input == edge_input::mlp ? std::vector<int>{to.layer} : std::vector<int>{};
    auto const attention = patch(sites::q{}, nodes(heads_if(edge_input::query)), source) |
                           patch(sites::k{}, kv_nodes(heads_if(edge_input::key)), source) |
                           patch(sites::v{}, kv_nodes(heads_if(edge_input::value)), source);
    auto const with_mlp = [&]<site... S>(site_list<S...>) {
        return (attention | ... | patch(S{}, layers(mlp_layers), source));
    }
    (inputs_of_mlp<D>{});
    return may_not_fire(with_mlp | patch(sites::final_normalized{}, all, source));
}

/// The batch that a run was made of.
template <class Run>
batch batch_of(Run const& run) {
    std::vector<std::vector<token>> examples;
    for (std::size_t e = 0; e < run.rows().examples(); ++e) {
        auto const first = run.tokens().begin() + static_cast<std::ptrdiff_t>(run.rows().begin(e));
        examples.emplace_back(first, first + static_cast<std::ptrdiff_t>(run.rows().length(e)));
    }
    return batch(std::move(examples));
}

} // namespace detail

/// What each edge by itself does: the receiver reads its clean input with what the sender writes in the clean run
/// exchanged for what it writes in the noise run, at all positions; all else that the receiver reads is clean, and
/// behind the receiver everything is computed anew. So only the direct edge counts: what goes from the sender to the
/// receiver by way of other heads or MLPs does not. Where attention's output passes a norm before it is added to the
/// stream, the sender's change passes it with the other heads' clean z.
///
/// First each sender's run, in which all receivers' inputs are read; then one sweep over the edges, planned as any
/// other. Inputs take memory: senders are done in groups that fit into `options.memory`.
///
/// clean: a run with capture_for_sweeps<D>(); noise: a run of prompts of the same lengths with capture(z, mlp_out), and
/// embed for edges from there
/// axes [edge, example], in the order of the table
/// throws bad_input and its family as `sweep`, and for edges that the model does not have
/// source Wang et al. 2023, section 3.1 (path patching); Conmy et al. 2023, section 3
template <description const& D, class B, class Clean, class Noise>
sweep_result edge_patching(model<D, B> const& m, Clean const& clean, Noise const& noise, table<edge> const& edges,
                           std::vector<metric> const& metrics, sweep_options const& options = {}) {
    if (edges.entries.empty())
        throw bad_input("engraft [edge.none]: there is no edge to patch");
    detail::require_edges<D, Noise>(edges.entries);
    if (!(noise.rows() == clean.rows()))
        throw bad_input("engraft [edge.lengths]: the noise prompts are of other lengths than the clean ones; an edge "
                        "takes each position from the same position");
    std::vector<edge_sender> senders;
    for (auto const& e : edges.entries)
        senders.push_back(e.from);
    detail::sort_unique(senders);

    auto const tokens = detail::batch_of(clean);
    auto const rows = static_cast<double>(clean.rows().rows());
    double const width =
        D.layers * (double(D.heads + 2 * D.kv_heads) * D.d_head + (has_pre_norms(D) ? D.d_model : 2 * D.d_mlp)) +
        2 * D.d_model;
    double const bytes_of_run = rows * width * sizeof(typename B::value_type);
    auto const at_once = static_cast<std::size_t>(std::max(1.0, options.memory / 2 / bytes_of_run));

    // Where each edge's policy acts is looked up for all rows beforehand: not for too many edges at one time.
    auto const edges_at_once = static_cast<std::size_t>(std::max(1.0, 2e6 / rows));

    sweep_result all(edges.axes, clean.rows().examples(), metrics);
    std::size_t done = 0;
    for (std::size_t first = 0; first < senders.size(); first += at_once) {
        auto const end = std::min(first + at_once, senders.size());
        std::vector<decltype(detail::run_of_sender(m, tokens, clean, noise, senders[0]))> sources;
        for (auto i = first; i < end; ++i)
            sources.push_back(detail::run_of_sender(m, tokens, clean, noise, senders[i]));
        for (std::size_t e = 0; e < clean.rows().examples(); ++e)
            for (auto* of : {&all.planned.flops, &all.counted})
                for (auto i = first; i < end; ++i)
                    *of += detail::flops_of_example(facts_of_block<D>(), clean.rows().length(e));

        std::vector<std::size_t> numbers; // of the edges from these senders
        for (std::size_t i = 0; i < edges.entries.size(); ++i)
            if (auto const& from = edges.entries[i].from; senders[first] <= from && from <= senders[end - 1])
                numbers.push_back(i);
        for (std::size_t begin = 0; begin < numbers.size(); begin += edges_at_once) {
            auto const size = std::min(edges_at_once, numbers.size() - begin);
            auto const from = numbers.begin() + static_cast<std::ptrdiff_t>(begin);
            table<std::size_t> const part{{{"edge", size}}, {from, from + static_cast<std::ptrdiff_t>(size)}};
            auto part_options = options;
            part_options.memory = options.memory / 2;
            if (options.progress)
                part_options.progress = [&](double share) {
                    options.progress((static_cast<double>(done) + share * static_cast<double>(size)) /
                                     static_cast<double>(edges.entries.size()));
                };
            std::optional<journal_part> kept; // parts with the same receivers differ only in what these get
            if (options.journal) {
                hasher h;
                for (auto const i : part.entries) {
                    auto const& [sender, receiver] = edges.entries[i];
                    h.add(sender.layer).add(sender.head).add(receiver.layer).add(receiver.head).add(receiver.input);
                }
                part_options.journal = &kept.emplace(*options.journal, h.value());
            }
            auto const found = sweep(
                m, clean, part,
                [&](std::size_t i) {
                    auto const at = std::ranges::lower_bound(senders, edges.entries[i].from) - senders.begin();
                    return detail::patch_receiver<D>(edges.entries[i].to,
                                                     sources[static_cast<std::size_t>(at) - first]);
                },
                metrics, part_options);
            all.add_entries(found, part.entries);
            done += size;
        }
    }
    all.planned.naive_flops *= 2; // a pass for the receivers' inputs and one for what they do
    return all;
}

} // namespace engraft
