#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include <engraft/circuit/attribution.hpp>
#include <engraft/circuit/edges.hpp>
#include <engraft/core/error.hpp>

namespace engraft {

/// The estimated change of the metric if each edge were patched, as `edge_patching` does it exactly: mean over
/// examples, of all positions together.
struct edge_attributions {
    table<edge> edges;          ///< each_edge of the model
    std::vector<double> scores; ///< of each
    std::vector<double> clean;  ///< the metric of each example in the clean run

    /// Numbers of the edges, the score of largest size first; equal ones in their order.
    /// throws bad_input if a score is NaN
    std::vector<std::size_t> ranked() const {
        for (std::size_t i = 0; i < scores.size(); ++i)
            if (std::isnan(scores[i]))
                throw bad_input({"the score of edge ", i, " is NaN, so edges have no order"});
        std::vector<std::size_t> order(scores.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return std::abs(scores[i]); });
        return order;
    }

    /// The edges in that order: what `edge_faithfulness` takes.
    std::vector<edge> ranking() const {
        std::vector<edge> best_first;
        for (auto const i : ranked())
            best_first.push_back(edges.entries[i]);
        return best_first;
    }

    /// All edges from a sender added up: the first-order effect of patching it for all that read it.
    double of_sender(edge_sender const& from) const {
        double sum = 0;
        for (std::size_t i = 0; i < scores.size(); ++i)
            if (edges.entries[i].from == from)
                sum += scores[i];
        return sum;
    }
};

namespace detail {

/// The scores of all edges, receiver layer by receiver layer: products of the senders' differences with the gradients
/// that the receivers have with respect to what they read, each over all rows.
template <description const& D, class B>
class edge_scorer {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

    /// from and to: the clean run and the noise run, with embed, z and mlp_out
    edge_scorer(model<D, B> const& m, auto const& from, auto const& to, input_edges input)
        : b_(m.backend()), a_(b_), w_(*m.shared_weights()), rows_(from.rows()), inputs_(input == input_edges::included),
          differences_(extents<dynamic, dynamic>(first_of(D.layers), rows_.rows() * D.d_model)) {
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
        if (inputs_ > 0)
            keep(0, difference(sites::embed{}, 0).data());
        for (int l = 0; l < D.layers; ++l) {
            auto const of_z = difference(sites::z{}, l);
            table results(extents<dynamic, dynamic>(rows_.rows(), D.heads * D.d_model));
            b_.head_results(as_matrix(results), as_matrix(of_z), w_.blocks[std::size_t(l)].o, D.heads);
            std::vector<row_slice> slices; // [rows, heads, d_model] to [heads, rows, d_model]
            for (std::size_t h = 0; h < D.heads; ++h)
                for (std::size_t r = 0; r < rows_.rows(); ++r)
                    slices.push_back({.to = ((first_of(l) + h) * rows_.rows() + r) * D.d_model,
                                      .from = (r * D.heads + h) * D.d_model,
                                      .width = static_cast<std::uint32_t>(D.d_model)});
            b_.copy_slices(differences_.data(), std::as_const(results).data(), upload<memory>(slices));
            keep(first_of(l) + D.heads, difference(sites::mlp_out{}, l).data());
        }
    }

    /// Adds share times the scores by one gradient, in the order of each_edge, to what `all` has.
    /// found: gradients at q, k, v, normalized2 and final_normalized, of a run that captured resid_pre, where there is
    /// one resid_mid, and the last resid_post
    void add(std::vector<double>& all, auto const& found, double share) {
        auto const run = found.run();
        std::size_t at = 0;
        auto const read = [&](readers const& of, std::size_t reach) {
            add_products(all.data() + at, share, of, reach);
            at += of.count * reach;
        };
        table normalized(extents<dynamic, dynamic>(rows_.rows(), D.d_model));
        readers attention(*this, D.heads + 2 * D.kv_heads), one(*this, 1);
        for (int l = 0; l < D.layers; ++l) {
            auto const& w = w_.blocks[std::size_t(l)];
            auto const stream = as_matrix(run[resid_pre].whole(l));
            attention.filled = 0;
            auto const heads = [&](auto s, typename B::linear_map const& map) {
                auto const gradient = as_matrix(found[s].whole(l));
                for (std::size_t h = 0; h < gradient.columns; h += D.d_head) {
                    a_.linear_part(as_matrix(normalized), gradient.column_range(h, D.d_head), map, h);
                    fill(attention, stream, w.norm1, as_matrix(std::as_const(normalized)));
                }
            };
            heads(sites::q{}, w.q);
            heads(sites::k{}, w.k);
            heads(sites::v{}, w.v);
            read(attention, first_of(l));
            auto const of_mlp = as_matrix(found[normalized2].whole(l));
            one.filled = 0;
            if constexpr (D.residual == residual::parallel) {
                fill(one, stream, w.norm2, of_mlp);
                read(one, first_of(l));
            } else {
                fill(one, as_matrix(run[resid_mid].whole(l)), w.norm2, of_mlp);
                read(one, first_of(l) + D.heads);
            }
        }
        one.filled = 0;
        fill(one, as_matrix(run[resid_post].whole(D.layers - 1)), w_.final_norm,
             as_matrix(found[final_normalized].whole(0)));
        read(one, first_of(D.layers));
    }

private:
    using norm_weights = typename block_weights<D, B>::norm;

    /// Gradients with respect to the stream, of what reads it at one place.
    struct readers {
        std::size_t count, filled = 0;
        table gradients; ///< [count, rows * d_model]

        readers(edge_scorer const& of, std::size_t n)
            : count(n), gradients(extents<dynamic, dynamic>(n, of.rows_.rows() * D.d_model)) {}
    };

    /// The first sender of a layer, which is the number of senders below it.
    std::size_t first_of(int layer) const { return inputs_ + static_cast<std::size_t>(layer) * (D.heads + 1); }

    /// The next reader's gradient, from the one behind the norm that it reads the stream through.
    void fill(readers& to, matrix<T const> stream, norm_weights const& norm, matrix<T const> gradient) {
        auto const first = as_matrix(to.gradients).row_range(to.filled++, 1).data;
        constexpr std::size_t width = D.d_model; // nvcc would warn of a narrowing
        matrix<T> const by_row{first, rows_.rows(), width, width};
        if constexpr (D.norm == engraft::norm::rms)
            a_.rms_norm(by_row, gradient, stream, norm.gain, D.norm_eps, false);
        else
            a_.layer_norm(by_row, gradient, stream, norm.gain, D.norm_eps, false);
    }

    /// Adds what the readers' gradients make of the first `reach` senders. to: [readers, reach]
    void add_products(double* to, double share, readers const& of, std::size_t reach) {
        if (reach == 0)
            return;
        table copy(of.gradients.shape()), sums(extents<dynamic, dynamic>(reach, of.count));
        b_.copy(copy.data(), of.gradients.data(), copy.size());
        auto const map = b_.make_linear(std::move(copy), {});
        b_.linear(as_matrix(sums), as_matrix(std::as_const(differences_)).row_range(0, reach), map);
        auto const host = sums.to_host();
        for (std::size_t r = 0; r < of.count; ++r)
            for (std::size_t s = 0; s < reach; ++s)
                to[r * reach + s] +=
                    share * static_cast<double>(host[s * of.count + r]) / static_cast<double>(rows_.examples());
    }

    B b_;
    adjoints<B> a_;
    weights<D, B> const& w_;
    ragged const& rows_;
    std::size_t inputs_; ///< 1 where the embeddings are a sender
    table differences_;  ///< [senders, rows * d_model]: what the noise run's contribution is less the clean run's
};

} // namespace detail

/// Edge attribution patching: of every edge between what adds to the residual stream and what reads it, the sender's
/// difference times the gradient with respect to what the receiver reads. options.steps m > 0 is EAP-IG; options.drop
/// is of nodes only. Holds one difference of the stream's size for each sender.
/// input: whether edges from the token embeddings are scored as well
/// throws as `attribute`
/// source Syed et al. 2023, "Attribution Patching Outperforms Automated Circuit Discovery"; Hanna et al. 2024, section
/// 3
template <description const& D, class Backend>
edge_attributions attribute_edges(model<D, Backend> const& m, batch const& clean, batch const& noise, metric const& of,
                                  attribution_options const& options = {}, input_edges input = input_edges::left_out) {
    static_assert(!D.post_norms,
                  "engraft [attribution.post_norms]: a norm behind attention mixes its heads, so no head "
                  "has an edge of its own; use attribute");
    detail::require_pairs(clean, noise);
    if (options.drop)
        throw bad_input("engraft [attribution.steps]: drop is a method for nodes; edges have steps");
    auto const from = m.run(clean, capture(embed, z, attn_out, mlp_out));
    auto const to = m.run(noise, capture(z, mlp_out, embed));
    detail::edge_scorer<D, Backend> scorer(m, from, to, input);
    edge_attributions all{each_edge<D>(input), {}, {}};
    all.scores.resize(all.edges.entries.size());
    auto const wanted = capture(q, k, v, normalized2, final_normalized);
    auto const seen = [] {
        auto const last = capture(resid_post, layer(D.layers - 1));
        if constexpr (D.residual == residual::parallel)
            return capture(resid_pre) | last;
        else
            return capture(resid_pre, resid_mid) | last;
    }();
    all.clean = detail::each_gradient(m, clean, from, to, of, options, wanted, seen,
                                      [&](auto const& found, double share) { scorer.add(all.scores, found, share); });
    return all;
}

} // namespace engraft
