#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <engraft/circuit/rewire.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/journal.hpp>
#include <engraft/run/divergence.hpp>

namespace engraft {

struct acdc_options {
    double threshold = 0.01; ///< nats: an edge whose cut raises the divergence by less is cut
    /// Where distributions are compared: one position per example, its last one where none is given.
    std::vector<long> read_at{};
    journal* kept = nullptr; ///< with one, a search that was stopped goes on where it was
    /// Called with the share of the edges that is decided, from 0 to 1.
    std::function<void(double)> progress{};
};

/// What `acdc` found.
struct edge_circuit {
    struct decision {
        edge cut;
        double divergence; ///< mean over examples, in nats, with this edge and all that were cut before it cut
        bool tried;        ///< false: the sender of a receiver of which no edge was left, cut without a run
        bool kept;
    };
    std::vector<decision> decisions; ///< in the order in which they were made
    std::vector<edge> kept;
    double divergence = 0; ///< of the model with all others cut
    std::size_t runs = 0;  ///< forward passes
};

namespace detail {

/// Greedy pruning, one decision after the other.
template <description const& D, class B, class Noise>
class edge_pruner {
public:
    edge_pruner(model<D, B> const& m, batch const& tokens, Noise const& noise, acdc_options const& options)
        : model_(m), tokens_(tokens), noise_(noise),
          options_(options), at_{"read",
                                 options.read_at.empty() ? std::vector<long>(tokens.examples(), -1) : options.read_at,
                                 {}} {
        for (auto const& e : each_edge<D>(input_edges::included).entries)
            ++leaving_[e.from];
        clean_ = distributions(identity);
        hasher h;
        h.add(tokens.tokens()).add(noise.tokens()).add(at_.positions).add(options.threshold);
        h.add(clean_);
        work_ = h.value();
    }

    edge_circuit run(std::vector<edge> const& candidates) {
        hasher h;
        h.add(work_).add(candidates.size());
        for (auto const& e : candidates)
            h.add(e.from.layer).add(e.from.head).add(e.to.layer).add(e.to.head).add(static_cast<int>(e.to.input));
        work_ = h.value();
        replay();
        edge_circuit found;
        auto receivers = edge_receivers(D);
        std::reverse(receivers.begin(), receivers.end());
        std::size_t decided = 0;
        for (auto const& to : receivers) {
            bool const dead = !is_read(to);
            std::vector<edge_sender> senders;
            for (auto const& e : candidates)
                if (e.to == to)
                    senders.push_back(e.from);
            sort_unique(senders);
            std::reverse(senders.begin(), senders.end());
            for (auto const& from : senders) {
                found.decisions.push_back(decide({from, to}, dead));
                if (options_.progress)
                    options_.progress(static_cast<double>(++decided) / static_cast<double>(candidates.size()));
            }
        }
        for (auto const& d : found.decisions)
            if (d.kept)
                found.kept.push_back(d.cut);
        found.divergence = divergence_;
        found.runs = runs_;
        return found;
    }

private:
    /// Whether anything that the receiver is part of still writes to somebody.
    bool is_read(edge_receiver const& to) const {
        constexpr int shared = D.heads / D.kv_heads;
        switch (to.input) {
        case edge_input::unembedding:
            return true;
        case edge_input::mlp:
            return leaves({to.layer, edge_sender::mlp});
        case edge_input::query:
            return leaves({to.layer, to.head});
        default:
            for (int h = to.head * shared; h < (to.head + 1) * shared; ++h)
                if (leaves({to.layer, h}))
                    return true;
            return false;
        }
    }
    bool leaves(edge_sender const& from) const { return leaving_.at(from) > 0; }

    edge_circuit::decision decide(edge const& e, bool dead) {
        edge_circuit::decision d{e, divergence_, !dead, false};
        if (!dead) {
            cut_.push_back(e);
            d.divergence = tried();
            d.kept = !(d.divergence - divergence_ < options_.threshold);
            if (d.kept)
                cut_.pop_back();
            else
                divergence_ = d.divergence;
        }
        if (!d.kept)
            --leaving_.at(e.from);
        return d;
    }

    /// The divergence with all of `cut_` cut: from the journal, where it has it.
    double tried() {
        if (next_ < replayed_.size())
            return replayed_[next_++];
        double const d = divergence();
        if (options_.kept)
            options_.kept->add(work_, std::as_bytes(std::span(&d, 1)));
        return d;
    }

    void replay() {
        if (!options_.kept)
            return;
        for (auto const& record : options_.kept->finished(work_)) {
            if (record.size() != sizeof(double))
                throw bad_input("engraft [acdc.journal]: a record of this search in the journal has another size");
            std::memcpy(&replayed_.emplace_back(), record.data(), sizeof(double));
        }
    }

    /// Of each example, the logarithms of what the model expects at `read_at`.
    std::vector<std::vector<double>> distributions(auto const& policy) {
        ++runs_;
        auto const all = model_.run(tokens_, policy).logits_at(at_).values().to_host();
        std::vector<std::vector<double>> of_examples;
        for (auto at = all.begin(); at != all.end(); at += output_vocab(D)) {
            of_examples.push_back(log_softmax(std::vector(at, at + output_vocab(D))));
            if (std::isnan(of_examples.back().front()))
                refuse_logits(of_examples.size() - 1);
        }
        return of_examples;
    }

    /// Of the distribution with edges cut from the clean one, mean over examples.
    double divergence() {
        auto const ours = distributions(rewire(cut_, model_, noise_));
        double sum = 0;
        for (std::size_t e = 0; e < ours.size(); ++e)
            sum += kl_divergence(clean_[e], ours[e]);
        return sum / static_cast<double>(ours.size());
    }

    model<D, B> const& model_;
    batch const& tokens_;
    Noise const& noise_;
    acdc_options const& options_;
    role at_;
    std::map<edge_sender, int> leaving_; ///< edges from each sender that are not cut
    std::vector<edge> cut_;              ///< those whose receivers are still read
    std::vector<std::vector<double>> clean_;
    std::vector<double> replayed_;
    std::size_t next_ = 0, runs_ = 0;
    std::uint64_t work_ = 0;
    double divergence_ = 0;
};

} // namespace detail

/// Automatic circuit discovery: goes through the model from the logits down; at each receiver it cuts one edge after
/// the other (`rewire`), those of the latest senders first, and leaves the edge cut where that raises the divergence of
/// the distribution at `read_at` from the clean one, D_KL(clean || cut), by less than the threshold. Receivers of heads
/// and MLPs from which no edge is left lose theirs without a run. Each decision depends on all before it, so that each
/// takes a forward pass of its own.
///
///     auto const noise = model.run(prompts.noise_tokens, capture(z, mlp_out));
///     auto const found = acdc(model, prompts.tokens, noise, each_edge<D>().entries, {.threshold = 0.02});
///
/// candidates: edges that may be cut, such as those that `edge_patching` finds weak; all others stay
/// throws bad_input and its family as `rewire`
/// source Conmy et al. 2023, algorithm 1
template <description const& D, class B, class Noise>
edge_circuit acdc(model<D, B> const& m, batch const& tokens, Noise const& noise, std::vector<edge> const& candidates,
                  acdc_options const& options = {}) {
    if (std::isnan(options.threshold))
        throw bad_input("the threshold of acdc is NaN; give a number of nats");
    detail::require_edges<D, Noise>(candidates);
    return detail::edge_pruner<D, B, Noise>(m, tokens, noise, options).run(candidates);
}

} // namespace engraft
