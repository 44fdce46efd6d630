#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/intervene/adjoint.hpp>
#include <engraft/run/forward.hpp>

namespace engraft::detail {

/// Takes a gradient from the last block's output down to the lowest block that is asked for: a block is computed again
/// from the stream that entered it, under the same policies, and then gone through from its last step to its first.
/// Tables are those of the forward pass and hold gradients. hooks: the policies reversed; wanted: policies that look at
/// the gradients, each that with respect to the activation as it leaves its site
/// Rows: as those of the forward pass that is differentiated
template <description const& D, class B, class Rows = whole_examples>
class adjoint_pass {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

    adjoint_pass(B const& backend, weights<D, B> const& w, batch const& tokens, reversed_hooks<B>& policies,
                 hooks<B>& wanted, Rows const& seen = {})
        : b_(backend), a_(backend), w_(w), rows_(tokens.rows()), policies_(policies), wanted_(wanted),
          again_(backend, w, tokens, policies, seen) {
        again_.kept_ = &kept_;
        kept_.needs_patterns = touched<sites::scores>() || touched<sites::pattern>();
    }

    /// streams: those that enter the blocks from `lowest` on, and the last one. seed: the gradient of the sum of what
    /// is read, with respect to the logits of rows `at` of the batch; [rows of at, vocab] values: the logits of these
    /// rows, as they are read
    void run(stream_tables<B> const& streams, table seed, table const& values, std::vector<std::int32_t> const& at,
             int lowest);

private:
    using block_type = block_weights<D, B>;
    using router_map = steps::map<block_weight::router_map, sites::router_logits>;

    static auto by_choice(auto all) { return forward_pass<D, B, hooks<B>, Rows>::by_choice(all); }

    void readings(table const& stream, table seed, table const& values, std::vector<std::int32_t> const& at) {
        table again; // the final norm's output as the policies change it
        if (policies_.touched(site_index<sites::final_normalized>) || policies_.touched(site_index<sites::logits>)) {
            again = t_.template make<sites::final_normalized>(rows_.rows());
            normalize<D>(b_, as_matrix(again), as_matrix(stream), w_.final_norm);
            apply<sites::final_normalized>(again);
        }
        if (touched<sites::logits>())
            touched_logits(again, seed, values, at);
        else
            unembed(std::move(seed), values, at);
        pull<sites::final_normalized>(0);
        norm_back(now<sites::resid_post>(), read<sites::final_normalized>(), as_matrix(stream), w_.final_norm, false);
    }

    /// From rows of logits to all rows of the final norm's output, when no policy is between them.
    void unembed(table seed, table const& values, std::vector<std::int32_t> const& at) {
        if constexpr (D.final_softcap > 0)
            a_.softcap(as_matrix(seed), as_matrix(values), D.final_softcap);
        table chosen(extents<dynamic, dynamic>(at.size(), D.d_model));
        a_.linear(as_matrix(chosen), as_matrix(std::as_const(seed)), w_.unembedding, false);
        scatter(t_.template of<sites::final_normalized>(), chosen, at);
    }
    /// As `unembed`, by way of the logits of all rows.
    void touched_logits(table const& again, table const& seed, table const& values,
                        std::vector<std::int32_t> const& at) {
        auto logits = t_.template make<sites::logits>(rows_.rows());
        table capped;
        if (policies_.touched(site_index<sites::logits>)) {
            b_.linear(as_matrix(logits), as_matrix(again), w_.unembedding);
            if constexpr (D.final_softcap > 0) {
                b_.softcap(as_matrix(logits), D.final_softcap);
                capped = t_.template make<sites::logits>(rows_.rows());
                b_.copy(capped.data(), std::as_const(logits).data(), logits.size());
            }
            apply<sites::logits>(logits);
        } else if constexpr (D.final_softcap > 0) { // of the other rows no gradient comes
            capped = t_.template make<sites::logits>(rows_.rows());
            scatter(capped, values, at);
        }
        scatter(logits, seed, at);
        pull<sites::logits>(0, logits.data(), logits.size());
        if constexpr (D.final_softcap > 0)
            a_.softcap(as_matrix(logits), as_matrix(std::as_const(capped)), D.final_softcap);
        a_.linear(now<sites::final_normalized>(), as_matrix(std::as_const(logits)), w_.unembedding, false);
    }
    /// `rows` at these places, and zero between them.
    void scatter(table& all, table const& rows, std::vector<std::int32_t> const& at) const {
        std::vector<std::int32_t> each(at.size());
        std::iota(each.begin(), each.end(), 0);
        a_.zero(all.data(), all.size());
        b_.copy_rows(as_matrix(all), upload<memory>(at), as_matrix(rows), upload<memory>(each));
    }

    // Each step, backwards: the gradient with respect to what it has written is there.

    template <site To, site... Part>
    void take(steps::join<To, Part...>, int layer, block_type const&) {
        pull<To>(layer);
        (b_.copy(t_.template of<Part>().data(), std::as_const(t_).template of<To>().data(),
                 t_.template of<Part>().size()),
         ...);
    }
    template <site S>
    void take(steps::complete<S>, int layer, block_type const&) {
        pull<S>(layer);
    }
    template <site S, block_weight W>
    void take(steps::norm_in_place<S, W>, int, block_type const& w) {
        norm_back(now<S>(), read<S>(), kept<S>(), weight_of<W>(w), false);
    }
    template <site From, site To, block_weight W>
    void take(steps::sum<From, To, W>, int layer, block_type const& w) {
        if constexpr (per_head_site<From>)
            if (touched<sites::result>())
                return results<From, To>(layer, weight_of<W>(w));
        a_.linear(now<From>(), read<To>(), weight_of<W>(w), false);
    }
    void take(steps::activate, int layer, block_type const&) {
        pull<sites::mlp_post>(layer);
        if constexpr (is_gated(D.mlp))
            a_.gated(now<sites::mlp_post>(), now<sites::mlp_gate>(), kept<sites::mlp_pre>(), was<sites::mlp_gate>(),
                     D.mlp);
        else
            a_.activate(now<sites::mlp_post>(), kept<sites::mlp_pre>(), D.mlp);
    }
    template <site To>
    void take(steps::weigh<To>, int, block_type const&) {
        a_.sum_rows(by_choice(now<sites::expert_out>()), now<sites::expert_weights>(), read<To>(),
                    by_choice(was<sites::expert_out>()), was<sites::expert_weights>(), again_.experts_.in_order());
    }
    template <site From>
    void take(steps::experts<From>, int layer, block_type const& w) {
        pull<sites::expert_out>(layer);
        again_.experts_.run_back(b_, a_, now<From>(), by_choice(read<sites::expert_out>()), w.experts,
                                 From::kind == site_kind::stream);
    }
    template <class Choose>
        requires std::is_same_v<Choose, steps::choose>
    void take(Choose, int layer, block_type const&) {
        pull<sites::expert_weights>(layer);
        a_.expert_weights(now<sites::router_logits>(), read<sites::expert_weights>(), was<sites::router_logits>(),
                          again_.experts_.chosen(), D.normalized_experts);
    }
    template <bool Experts, class Step>
    void take(steps::in_layers<Experts, Step>, int layer, block_type const& w) {
        if (has_experts(D, layer) == Experts)
            take(Step(), layer, w);
    }
    template <site Queries, site Keys>
    void take(steps::attend<Queries, Keys>, int layer, block_type const&) {
        pull<sites::z>(layer);
        auto const shape = again_.shapes_.of(layer);
        auto const q = now<Queries>(), k = now<Keys>(), v = now<sites::v>();
        auto const dz = read<sites::z>(), was_q = was<Queries>(), was_k = was<Keys>(), was_v = was<sites::v>();
        if (!touched<sites::scores>() && !touched<sites::pattern>())
            return again_.seen_.attention_adjoint(b_, a_, layer, q, k, v, dz, was_q, was_k, was_v, shape, rows_);
        auto const& made = std::as_const(again_.pattern_);
        if (lines_.empty())
            lines_ = vector_tensor<T, memory>(extents<dynamic>(made.size()));
        a_.mix(lines_.data(), v, dz, made.data(), was_v, shape, rows_);
        pull<sites::pattern>(layer, lines_.data(), lines_.size());
        bool const changed = policies_.touched(site_index<sites::pattern>);
        a_.softmax(lines_.data(), changed ? std::as_const(kept_.pattern).data() : made.data(), shape, rows_);
        pull<sites::scores>(layer, lines_.data(), lines_.size());
        a_.scores(q, k, lines_.data(), was_q, was_k, shape, rows_);
    }
    template <site From, site To>
    void take(steps::rotate<From, To>, int layer, block_type const&) {
        pull<To>(layer);
        a_.rotate(now<From>(), site_heads<D, From>, again_.angles_.of(layer), again_.positions_);
    }
    template <site S, block_weight W>
    void take(steps::norm_heads<S, W>, int, block_type const& w) {
        auto const each = [&](auto all) { // each head of each row by itself
            return decltype(all){all.data, rows_.rows() * static_cast<std::size_t>(site_heads<D, S>), D.d_head,
                                 D.d_head};
        };
        a_.rms_norm(each(now<S>()), each(read<S>()), each(kept<S>()), weight_of<W>(w).gain, D.norm_eps, false);
    }
    template <site From, class... Map>
    void take(steps::maps<From, Map...>, int layer, block_type const& w) {
        // A stream's gradient is there already, and so is that of what experts read.
        bool added = From::kind == site_kind::stream || (std::is_same_v<Map, router_map> || ...);
        (map_back<From>(Map(), layer, w, std::exchange(added, true)), ...);
    }
    template <site From, block_weight W, site To>
    void map_back(steps::map<W, To>, int layer, block_type const& w, bool added) {
        pull<To>(layer);
        a_.linear(now<From>(), read<To>(), weight_of<W>(w), added);
    }
    template <site From, site To, block_weight W>
    void take(steps::norm<From, To, W>, int layer, block_type const& w) {
        pull<To>(layer);
        norm_back(now<From>(), read<To>(), kept<From>(), weight_of<W>(w), true);
    }

    template <site From, site To>
    void results(int layer, typename B::linear_map const& map) {
        auto& result = t_.template of<sites::result>();
        if (result.empty())
            result = t_.template make<sites::result>(rows_.rows());
        a_.repeat(as_matrix(result), read<To>(), D.heads);
        pull<sites::result>(layer);
        if (policies_.touched(site_index<sites::result>))
            a_.head_results(now<From>(), read<sites::result>(), map, D.heads);
        else
            a_.linear(now<From>(), read<To>(), map, false);
    }

    void embed() {
        if (policies_.touched(site_index<sites::embed>) || policies_.touched(site_index<sites::pos_embed>))
            again_.embed();
        auto& stream = t_.template of<sites::resid_pre>();
        if constexpr (D.position == position::learned) {
            auto& positional = t_.template of<sites::attn_out>();
            b_.copy(positional.data(), std::as_const(stream).data(), stream.size());
            pull<sites::pos_embed>(0, positional.data(), positional.size());
        }
        pull<sites::embed>(0, stream.data(), stream.size());
    }

    void norm_back(matrix<T> dx, matrix<T const> dy, matrix<T const> x, typename block_type::norm const& w,
                   bool added) const {
        if constexpr (D.norm == engraft::norm::none) {
            if (added)
                b_.add(dx, dy);
            else if (dx.data != dy.data)
                b_.copy(dx.data, dy.data, dy.rows * dy.columns);
        } else if constexpr (D.norm == engraft::norm::rms)
            a_.rms_norm(dx, dy, x, w.gain, D.norm_eps, added);
        else
            a_.layer_norm(dx, dy, x, w.gain, D.norm_eps, added);
    }

    /// The gradient is looked at, then goes back through the policies of its site.
    void pull(int site, int layer, T* gradient, std::size_t size) {
        wanted_.apply(site, layer, gradient, size);
        policies_.pull_back(a_, site, layer, gradient);
    }
    template <site S>
    void pull(int layer, T* gradient, std::size_t size) {
        pull(site_index<S>, layer, gradient, size);
    }
    template <site S>
    void pull(int layer) {
        auto& gradient = t_.template of<S>();
        pull(site_index<S>, layer, gradient.data(), gradient.size());
    }
    template <site S>
    void apply(table& activation) {
        policies_.apply(site_index<S>, 0, activation.data(), activation.size());
    }
    template <site S>
    bool touched() const {
        return policies_.touched(site_index<S>) || wanted_.touched(site_index<S>);
    }

    template <site S>
    matrix<T> now() {
        return t_.template matrix_of<S>();
    }
    template <site S>
    matrix<T const> read() const {
        return t_.template matrix_of<S>();
    }
    /// What the block that was computed again has left of a site, or kept of it.
    template <site S>
    matrix<T const> was() const {
        return again_.template read<S>();
    }
    template <site S>
    matrix<T const> kept() {
        return as_matrix(std::as_const(kept_.template of<S>()));
    }

    B const& b_;
    adjoints<B> a_;
    weights<D, B> const& w_;
    ragged const& rows_;
    reversed_hooks<B>& policies_;
    hooks<B>& wanted_;
    kept_block<B> kept_;
    forward_pass<D, B, hooks<B>, Rows> again_;
    activations<D, B> t_;
    vector_tensor<T, memory> lines_;
};

// Not inline, so that a library can have them.

template <description const& D, class B, class Rows>
void adjoint_pass<D, B, Rows>::run(stream_tables<B> const& streams, table seed, table const& values,
                                   std::vector<std::int32_t> const& at, int lowest) {
    again_.make_buffers();
    t_.make_all(rows_.rows());
    readings(streams.back(), std::move(seed), values, at);
    for (int layer = D.layers; layer-- > lowest;) {
        auto const& stream = streams[static_cast<std::size_t>(layer)];
        b_.copy(again_.t_.template of<sites::resid_pre>().data(), stream.data(), stream.size());
        auto const& w = w_.blocks[static_cast<std::size_t>(layer)];
        again_.block(layer, w);
        each_step_backward<D>([&](auto step) { take(step, layer, w); });
        pull<sites::resid_pre>(layer);
    }
    if (lowest == 0 && (touched<sites::embed>() || touched<sites::pos_embed>()))
        embed();
}

} // namespace engraft::detail
