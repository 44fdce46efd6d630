#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/attribution.hpp>

namespace engraft {

/// One end of an edge: what adds to the residual stream, or what reads it.
struct edge_end {
    enum class kind { embedding, head, mlp, query, key, value, unembedding };
    kind of = kind::embedding;
    int layer = 0;
    int head = 0; ///< key/value head of keys and values

    friend bool operator==(edge_end const&, edge_end const&) = default;
};

inline std::ostream& operator<<(std::ostream& out, edge_end const& e) {
    switch (e.of) {
    case edge_end::kind::embedding:
        return out << "embed";
    case edge_end::kind::unembedding:
        return out << "logits";
    case edge_end::kind::mlp:
        return out << "mlp " << e.layer;
    default:
        char const* const names[] = {"", "head", "", "q", "k", "v"};
        return out << names[static_cast<int>(e.of)] << ' ' << e.layer << '.' << e.head;
    }
}

/// The estimated change of the metric if the receiver read the noise run's contribution of the sender in place of the
/// clean run's, and everything else what it reads anyway: the mean over examples, of all positions together.
struct edge_attributions {
    std::vector<edge_end> senders;   ///< the embedding; each layer's heads and its MLP
    std::vector<edge_end> receivers; ///< each layer's queries, keys, values and its MLP; the logits
    std::vector<std::size_t> reach;  ///< how many of the senders, from the first, each receiver sees
    std::vector<double> scores;      ///< [receivers, senders]; 0 where there is no edge
    std::vector<double> clean;       ///< the metric of each example in the clean run

    double at(std::size_t receiver, std::size_t sender) const { return scores[receiver * senders.size() + sender]; }

    /// A sender's edges added up: the first-order effect of patching it for all that read it. shape [senders]
    std::vector<double> of_senders() const {
        std::vector<double> sums(senders.size());
        for (std::size_t i = 0; i < scores.size(); ++i)
            sums[i % senders.size()] += scores[i];
        return sums;
    }

    /// Edges as (receiver, sender), those with the largest size first; equal ones in their order.
    std::vector<std::pair<std::size_t, std::size_t>> ranked() const {
        std::vector<std::pair<std::size_t, std::size_t>> edges;
        for (std::size_t r = 0; r < receivers.size(); ++r)
            for (std::size_t s = 0; s < reach[r]; ++s)
                edges.emplace_back(r, s);
        std::stable_sort(edges.begin(), edges.end(), [&](auto const& a, auto const& b) {
            return std::abs(at(a.first, a.second)) > std::abs(at(b.first, b.second));
        });
        return edges;
    }
};

namespace detail {

/// The scores of all edges, receiver layer by receiver layer: products of the senders' differences with the gradients
/// that the receivers have with respect to what they read, each over all rows.
template <description D, class B>
class edge_scorer {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

    /// from and to: the clean run and the noise run, with resid_pre of the first layer, z and mlp_out
    edge_scorer(model<D, B> const& m, auto const& from, auto const& to)
        : b_(m.backend()), a_(m.backend()), w_(*m.shared_weights()), rows_(from.rows()),
          differences_(extents<dynamic, dynamic>(senders, rows_.rows() * D.d_model)) {
        auto const difference = [&](auto s, int l) {
            auto const a = as_matrix(from[s].whole(l)), c = as_matrix(to[s].whole(l));
            table d(extents<dynamic, dynamic>(a.rows, a.columns));
            b_.copy(d.data(), a.data, d.size());
            b_.scale(as_matrix(d), -1);
            b_.add(as_matrix(d), c);
            return d;
        };
        auto const keep = [&](std::size_t sender, T const* from_elements) {
            b_.copy(as_matrix(differences_).row_range(sender, 1).data, from_elements, rows_.rows() * D.d_model);
        };
        keep(0, difference(sites::resid_pre{}, 0).data());
        for (int l = 0; l < D.layers; ++l) {
            auto const of_z = difference(sites::z{}, l);
            table result(extents<dynamic, dynamic>(rows_.rows(), D.heads * D.d_model));
            b_.head_results(as_matrix(result), as_matrix(of_z), w_.blocks[std::size_t(l)].o, D.heads);
            std::vector<row_slice> slices; // [rows, heads, d_model] to [heads, rows, d_model]
            for (std::size_t h = 0; h < D.heads; ++h)
                for (std::size_t r = 0; r < rows_.rows(); ++r)
                    slices.push_back({.to = ((first_of(l) + h) * rows_.rows() + r) * D.d_model,
                                      .from = (r * D.heads + h) * D.d_model,
                                      .width = D.d_model});
            b_.copy_slices(differences_.data(), std::as_const(result).data(),
                           vector_tensor<row_slice, memory>::from_host(slices, extents<dynamic>(slices.size())));
            keep(first_of(l) + D.heads, difference(sites::mlp_out{}, l).data());
        }
    }

    /// The first sender of a layer, which is the number of senders below it.
    static std::size_t first_of(int layer) { return 1 + static_cast<std::size_t>(layer) * (D.heads + 1); }
    static constexpr std::size_t senders = 1 + std::size_t(D.layers) * (D.heads + 1);

    static edge_attributions without_scores() {
        edge_attributions all;
        all.senders.push_back({});
        auto const receive = [&](edge_end::kind of, int l, int count, std::size_t reach) {
            for (int h = 0; h < count; ++h) {
                all.receivers.push_back({of, l, h});
                all.reach.push_back(reach);
            }
        };
        for (int l = 0; l < D.layers; ++l) {
            for (int h = 0; h < D.heads; ++h)
                all.senders.push_back({edge_end::kind::head, l, h});
            all.senders.push_back({edge_end::kind::mlp, l, 0});
            receive(edge_end::kind::query, l, D.heads, first_of(l));
            receive(edge_end::kind::key, l, D.kv_heads, first_of(l));
            receive(edge_end::kind::value, l, D.kv_heads, first_of(l));
            receive(edge_end::kind::mlp, l, 1, first_of(l) + (D.residual == residual::parallel ? 0 : D.heads));
        }
        receive(edge_end::kind::unembedding, 0, 1, senders);
        all.scores.resize(all.senders.size() * all.receivers.size());
        return all;
    }

    /// Adds share times the scores by one gradient to what `all` has. found: gradients at q, k, v, normalized2 and
    /// final_normalized, of a run that captured resid_pre and where there is one resid_mid, and the last resid_post
    void add(edge_attributions& all, auto const& found, double share) {
        constexpr auto last = D.layers - 1;
        std::size_t receiver = 0;
        for (int l = 0; l < D.layers; ++l) {
            auto const& w = w_.blocks[std::size_t(l)];
            auto const stream = as_matrix(found.run()[resid_pre].whole(l));
            auto const heads = [&](auto s, typename B::linear_map const& map) {
                auto const gradient = as_matrix(found[s].whole(l));
                for (std::size_t h = 0; h < gradient.columns / D.d_head; ++h)
                    read(all, receiver++, share, stream, w.norm1, [&](matrix<T> to) {
                        a_.linear_part(to, gradient.column_range(h * D.d_head, D.d_head), map, h * D.d_head);
                    });
            };
            heads(sites::q{}, w.q);
            heads(sites::k{}, w.k);
            heads(sites::v{}, w.v);
            auto const middle = [&] {
                if constexpr (D.residual == residual::parallel)
                    return stream;
                else
                    return as_matrix(found.run()[resid_mid].whole(l));
            }();
            read_at(all, receiver++, share, middle, w.norm2, as_matrix(found[normalized2].whole(l)));
        }
        read_at(all, receiver, share, as_matrix(found.run()[resid_post].whole(last)), w_.final_norm,
                as_matrix(found[final_normalized].whole(0)));
    }

private:
    using norm_weights = typename block_weights<D, B>::norm;

    template <class Make>
    void read(edge_attributions& all, std::size_t receiver, double share, matrix<T const> stream,
              norm_weights const& norm, Make const& make) {
        table normalized(extents<dynamic, dynamic>(rows_.rows(), D.d_model));
        make(as_matrix(normalized));
        read_at(all, receiver, share, stream, norm, as_matrix(std::as_const(normalized)));
    }

    void read_at(edge_attributions& all, std::size_t receiver, double share, matrix<T const> stream,
                 norm_weights const& norm, matrix<T const> gradient) {
        table of_stream(extents<dynamic, dynamic>(1, rows_.rows() * D.d_model));
        matrix<T> const by_row{of_stream.data(), rows_.rows(), D.d_model, D.d_model};
        if constexpr (D.norm == engraft::norm::rms)
            a_.rms_norm(by_row, gradient, stream, norm.gain, D.norm_eps, false);
        else
            a_.layer_norm(by_row, gradient, stream, norm.gain, D.norm_eps, false);
        auto const map = b_.make_linear(std::move(of_stream), {});
        table products(extents<dynamic, dynamic>(all.reach[receiver], 1));
        b_.linear(as_matrix(products), as_matrix(std::as_const(differences_)).row_range(0, all.reach[receiver]), map);
        auto const host = products.to_host();
        for (std::size_t s = 0; s < host.size(); ++s)
            all.scores[receiver * all.senders.size() + s] +=
                share * static_cast<double>(host[s]) / static_cast<double>(rows_.examples());
    }

    B b_;
    adjoints<B> a_;
    weights<D, B> const& w_;
    ragged const& rows_;
    table differences_; ///< [senders, rows * d_model]: what the noise run's contribution is less the clean run's
};

} // namespace detail

/// Edge attribution patching: of every edge between what adds to the residual stream and what reads it, the sender's
/// difference times the gradient with respect to what the receiver reads. options.steps m > 0 is EAP-IG; options.drop
/// is of nodes only. throws as `attribute` source Syed et al. 2023, "Attribution Patching Outperforms Automated Circuit
/// Discovery"; Hanna et al. 2024, section 3
template <description D, class Backend>
edge_attributions attribute_edges(model<D, Backend> const& m, batch const& clean, batch const& noise, metric const& of,
                                  attribution_options const& options = {}) {
    static_assert(!D.post_norms,
                  "engraft [attribution.post_norms]: a norm behind attention mixes its heads, so no head "
                  "has an edge of its own; use attribute");
    detail::require_pairs(clean, noise);
    if (options.drop)
        throw bad_input("engraft [attribution.steps]: drop is a method for nodes; edges have steps");
    auto const first = capture(resid_pre, layer(0));
    auto const from = m.run(clean, first | capture(z, attn_out, mlp_out));
    auto const to = m.run(noise, first | capture(z, mlp_out, embed));
    detail::edge_scorer<D, Backend> scorer(m, from, to);
    auto all = scorer.without_scores();
    auto const wanted = capture(q, k, v, normalized2, final_normalized);
    auto const seen = [] {
        auto const last = capture(resid_post, layer(D.layers - 1));
        if constexpr (D.residual == residual::parallel)
            return capture(resid_pre) | last;
        else
            return capture(resid_pre, resid_mid) | last;
    }();
    all.clean = detail::each_gradient(m, clean, from, to, of, options, wanted, seen,
                                      [&](auto const& found, double share) { scorer.add(all, found, share); });
    return all;
}

} // namespace engraft
