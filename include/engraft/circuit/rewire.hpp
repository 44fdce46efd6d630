#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/circuit/edges.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

namespace detail {

/// `rewire`, bound to a batch. What senders write in the noise run less what they write in this one is kept per layer,
/// and added to the stream that their receivers read.
template <description const& D, class B, class Noise>
class bound_rewire {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using tensor_type = matrix_tensor<T, memory>;

    bound_rewire(B const& backend, weights<D, B> const& w, Noise const& noise, std::vector<edge> edges,
                 std::size_t rows)
        : b_(&backend), w_(&w), noise_(noise), rows_(rows), heads_(static_cast<std::size_t>(D.layers)),
          mlps_(heads_.size()) {
        std::sort(edges.begin(), edges.end());
        edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
        for (auto const& e : edges) {
            if (cuts_.empty() || cuts_.back().to != e.to)
                cuts_.push_back({e.to, {}});
            cuts_.back().from.push_back(e.from);
            auto& t = e.from == edge_sender::input()    ? input_change_
                      : e.from.head == edge_sender::mlp ? mlps_[static_cast<std::size_t>(e.from.layer)]
                                                        : heads_[static_cast<std::size_t>(e.from.layer)];
            if (t.empty())
                t = made((e.from.head == edge_sender::mlp ? 1 : D.heads) * D.d_model);
        }
    }

    template <site S>
    void apply(hook_point<D, S> const& point, auto view) {
        int const layer = point.layer();
        auto const l = static_cast<std::size_t>(layer);
        if constexpr (S::kind == site_kind::stream) {
            stream_ = as_matrix(view);
        } else if constexpr (std::is_same_v<S, sites::embed>) {
            if (!input_change_.empty())
                difference(input_change_, noise_.elements(sites::embed{}, layer), view.data());
        } else if constexpr (std::is_same_v<S, sites::z>) {
            if (!heads_[l].empty()) {
                auto changed = made(D.heads * D.d_head);
                difference(changed, noise_.elements(sites::z{}, layer), view.data());
                b_->head_results(as_matrix(heads_[l]), as_matrix(std::as_const(changed)), w_->blocks[l].o, D.heads);
            }
        } else if constexpr (std::is_same_v<S, sites::mlp_out>) {
            if (!mlps_[l].empty())
                difference(mlps_[l], noise_.elements(sites::mlp_out{}, layer), view.data());
        } else if constexpr (std::is_same_v<S, sites::q>) {
            each_cut(layer, edge_input::query, [&](auto const& cut) { read(cut, w_->blocks[l].q, D.heads, view); });
        } else if constexpr (std::is_same_v<S, sites::k>) {
            each_cut(layer, edge_input::key, [&](auto const& cut) { read(cut, w_->blocks[l].k, D.kv_heads, view); });
        } else if constexpr (std::is_same_v<S, sites::v>) {
            each_cut(layer, edge_input::value, [&](auto const& cut) { read(cut, w_->blocks[l].v, D.kv_heads, view); });
        } else if constexpr (std::is_same_v<S, sites::normalized2>) {
            each_cut(layer, edge_input::mlp,
                     [&](auto const& cut) { normalize<D>(*b_, as_matrix(view), input_of(cut), w_->blocks[l].norm2); });
        } else if constexpr (S::kind == site_kind::neuron) {
            auto const& map = std::is_same_v<S, sites::mlp_gate> ? w_->blocks[l].gate : w_->blocks[l].up;
            each_cut(layer, edge_input::mlp, [&](auto const& cut) { b_->linear(as_matrix(view), input_of(cut), map); });
        } else {
            each_cut(D.layers, edge_input::unembedding,
                     [&](auto const& cut) { normalize<D>(*b_, as_matrix(view), input_of(cut), w_->final_norm); });
        }
    }

    std::size_t fired() const { return fired_; }
    std::vector<selection const*> chosen() const { return {}; }

private:
    /// A receiver, and the senders whose edges to it are cut.
    struct cut_edges {
        edge_receiver to;
        std::vector<edge_sender> from;
    };

    tensor_type made(int columns) const { return tensor_type(extents<dynamic, dynamic>(rows_, columns)); }

    /// One slice per row: `width` elements from `first` on.
    auto slices(std::size_t columns, std::size_t first, std::size_t width) const {
        std::vector<row_slice> list(rows_);
        for (std::size_t r = 0; r < rows_; ++r)
            list[r] = {
                .to = r * columns + first, .from = r * columns + first, .width = static_cast<std::uint32_t>(width)};
        return upload<memory>(list);
    }

    void difference(tensor_type& out, T const* a, T const* b) const {
        auto const columns = out.shape()[1];
        b_->copy(out.data(), a, out.size());
        b_->add_slices(out.data(), b, -1, slices(columns, 0, columns));
    }

    void each_cut(int layer, edge_input input, auto const& use) {
        for (auto const& cut : cuts_)
            if (cut.to.layer == layer && cut.to.input == input) {
                use(cut);
                fired_ += rows_;
            }
    }

    /// The stream as the receiver reads it.
    matrix<T const> input_of(cut_edges const& cut) {
        if (input_.empty())
            input_ = made(D.d_model), normalized_ = made(D.d_model);
        b_->copy(input_.data(), stream_.data, input_.size());
        for (auto const& from : cut.from) {
            auto const l = static_cast<std::size_t>(from.layer);
            auto const all = as_matrix(from == edge_sender::input()    ? input_change_
                                       : from.head == edge_sender::mlp ? mlps_[l]
                                                                       : heads_[l]);
            auto const first = from.head == edge_sender::mlp ? 0 : static_cast<std::size_t>(from.head) * D.d_model;
            b_->add(as_matrix(input_), all.column_range(first, D.d_model));
        }
        return as_matrix(std::as_const(input_));
    }

    /// One head's query, key or value.
    void read(cut_edges const& cut, typename B::linear_map const& map, int heads, auto view) {
        auto const in = input_of(cut);
        normalize<D>(*b_, as_matrix(normalized_), in, w_->blocks[static_cast<std::size_t>(cut.to.layer)].norm1);
        auto all = made(heads * D.d_head);
        b_->linear(as_matrix(all), as_matrix(std::as_const(normalized_)), map);
        auto const width = static_cast<std::size_t>(D.d_head);
        b_->copy_slices(view.data(), std::as_const(all).data(),
                        slices(all.shape()[1], static_cast<std::size_t>(cut.to.head) * width, width));
    }

    B const* b_;
    weights<D, B> const* w_;
    Noise noise_;
    std::size_t rows_;
    std::vector<cut_edges> cuts_;
    matrix<T const> stream_;                ///< as the forward pass has it now
    std::vector<tensor_type> heads_, mlps_; ///< of layers with senders: [rows, heads * d_model], [rows, d_model]
    tensor_type input_change_;              ///< where the embeddings send: [rows, d_model]
    tensor_type input_, normalized_;
    std::size_t fired_ = 0;
};

} // namespace detail

/// See `rewire`.
template <description const& D, class B, class Noise>
struct rewire_policy : touches_nothing {
    using between = std::conditional_t<has_site<D, sites::resid_mid>, site_list<sites::resid_mid>, site_list<>>;
    using before = std::conditional_t<Noise::template holds<sites::embed>, site_list<sites::embed>, site_list<>>;
    using reads = join<before, site_list<sites::resid_pre, sites::resid_post>, detail::written_by_senders<D>, between>;
    using writes = detail::receiving_sites<D>;
    std::vector<edge> edges;
    model<D, B> of;
    Noise noise;

    rewire_policy(std::vector<edge> e, model<D, B> m, Noise n)
        : edges(std::move(e)), of(std::move(m)), noise(std::move(n)) {}

    template <description const& Edited, class Backend>
    static constexpr void check() {
        static_assert(Edited == D && Noise::model == D && std::is_same_v<Backend, B>,
                      "engraft [patch.same_model]: edges are cut in the model that is run, and the noise run is one of "
                      "that model");
        static_assert(!D.post_norms, "engraft [rewire.post_norms]: this model's attention output passes a norm before "
                                     "it is added to the stream, so that what single heads write does not add up; use "
                                     "edge_patching, which cuts one edge at a time");
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        if (run.weights != of.shared_weights().get() || noise.weights_identity() != run.weights)
            throw bad_input("engraft [patch.same_model]: edges are cut in a model of other weights than the one that "
                            "is run, or the noise run is of another one");
        if (!(noise.rows() == run.rows))
            throw bad_input("engraft [edge.lengths]: the noise prompts are of other lengths than those that are run; "
                            "an edge takes each position from the same position");
        return detail::bound_rewire<D, B, Noise>(run.backend, *of.shared_weights(), noise, edges, run.rows.rows());
    }
};

/// rewire(edges, model, noise): cuts edges. Every receiver reads the stream as it is in this run, except that what the
/// senders of its cut edges write is exchanged for what they write in the noise run, at all positions:
///     input = stream + sum over cut edges of (sender's output in `noise` - sender's output in this run)
/// Queries, keys and values of a layer, its heads, and its MLP read inputs of their own. Learned positions and biases
/// are never cut. So a circuit of edges is run by cutting all others. Put it behind what edits embed, z or mlp_out.
/// noise: a run of `model` on prompts of the same lengths with capture(z, mlp_out), and embed for edges from there
/// throws bad_input for edges that the model does not have
/// source Conmy et al. 2023, section 3
template <description const& D, class B, class Noise>
auto rewire(std::vector<edge> edges, model<D, B> const& m, Noise const& noise) {
    detail::require_edges<D, Noise>(edges);
    return rewire_policy<D, B, Noise>(std::move(edges), m, noise);
}

} // namespace engraft
