#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/intervene/adjoint.hpp>
#include <engraft/run/forward.hpp>

namespace engraft::detail {

/// The stream between blocks: [l] as it enters block l, before the policies there, [layers] as it leaves the last one.
template <class B>
using stream_tables = std::vector<matrix_tensor<typename B::value_type, typename B::memory_type>>;

/// Hooks of a forward pass that also keep the stream between blocks, from the first of them that is asked for.
template <description D, class B, class Hooks>
class stream_keeper {
public:
    template <site S>
    static constexpr bool is_between = std::is_same_v<S, sites::resid_pre> || std::is_same_v<S, sites::resid_post>;
    template <site S>
    static constexpr bool touched = Hooks::template touched<S> || is_between<S>;
    template <site S>
    static constexpr bool written = Hooks::template written<S>;

    stream_keeper(B const& backend, Hooks& hooks, stream_tables<B>& streams, int first)
        : backend_(backend), hooks_(hooks), streams_(streams), first_(first) {}

    template <site S>
    void apply(hook_point<D, S> const& point, auto view) {
        if constexpr (std::is_same_v<S, sites::resid_pre>)
            if (point.layer() == 0)
                keep(0, view);
        if constexpr (Hooks::template touched<S>)
            hooks_.apply(point, view);
        if constexpr (std::is_same_v<S, sites::resid_post>)
            keep(point.layer() + 1, view);
    }

private:
    void keep(int layer, auto view) {
        if (layer < first_)
            return;
        auto& to = streams_[static_cast<std::size_t>(layer)];
        to = typename stream_tables<B>::value_type(extents<dynamic, dynamic>(view.shape()[0], D.d_model));
        backend_.copy(to.data(), view.data(), view.size());
    }

    B const& backend_;
    Hooks& hooks_;
    stream_tables<B>& streams_;
    int first_;
};

/// Hooks of a block that is computed again: they keep what the block overwrites and its derivative needs.
template <description D, class B, class Hooks, class Wanted>
struct block_keeper {
    template <site S>
    static constexpr bool keeps = std::is_same_v<S, sites::resid_pre> || std::is_same_v<S, sites::mlp_pre> ||
                                  std::is_same_v<S, sites::resid_mid> ||
                                  (D.qk_norm && (std::is_same_v<S, sites::q> || std::is_same_v<S, sites::k>)) ||
                                  (D.post_norms && std::is_same_v<S, sites::attn_out>) ||
                                  (std::is_same_v<S, sites::pattern> && Wanted::template touched<sites::pattern>) ||
                                  (std::is_same_v<S, sites::scores> && Wanted::template touched<sites::scores>);
    template <site S>
    static constexpr bool touched = Hooks::template touched<S> || keeps<S>;
    template <site S>
    static constexpr bool written = Hooks::template written<S>;
    static constexpr bool ends_at_neurons =
        !D.post_norms && !Hooks::template touched<sites::mlp_out> && !Hooks::template touched<sites::resid_post>;
    using T = typename B::value_type;
    using table = matrix_tensor<T, typename B::memory_type>;

    B const& backend;
    Hooks& hooks;
    T const* normalized = nullptr; ///< of the pass: attention's output before the norm behind it
    table stream{}, middle{}, up{}, queries{}, keys{}, attn{};
    vector_tensor<T, typename B::memory_type> pattern{}; ///< as the softmax has made it

    template <site S>
    void apply(hook_point<D, S> const& point, auto view) {
        if constexpr (std::is_same_v<S, sites::pattern> && Hooks::template touched<S>) {
            if (pattern.empty())
                pattern = vector_tensor<T, typename B::memory_type>(extents<dynamic>(view.size()));
            backend.copy(pattern.data(), view.data(), view.size());
        }
        if constexpr (Hooks::template touched<S>)
            hooks.apply(point, view);
        if constexpr (std::is_same_v<S, sites::resid_pre>)
            keep(stream, view);
        else if constexpr (std::is_same_v<S, sites::resid_mid>)
            keep(middle, view);
        else if constexpr (std::is_same_v<S, sites::mlp_pre>)
            keep(up, view);
        else if constexpr (std::is_same_v<S, sites::q> && D.qk_norm)
            keep(queries, view);
        else if constexpr (std::is_same_v<S, sites::k> && D.qk_norm)
            keep(keys, view);
        else if constexpr (std::is_same_v<S, sites::attn_out> && D.post_norms)
            keep(attn, decltype(view)(const_cast<T*>(normalized), view.shape()));
    }

private:
    void keep(table& to, auto view) {
        if (to.empty())
            to = table(extents<dynamic, dynamic>(view.shape()[0], view.shape().row_size()));
        backend.copy(to.data(), view.data(), view.size());
    }
};

/// Takes a gradient from the last block's output down to the lowest block that is asked for: a block is computed again
/// from the stream that entered it, under the same policies, and then gone through from its end to its beginning.
/// Hooks: the policies reversed; Wanted: policies that look at the gradients, each that with respect to the activation
/// as it leaves its site.
/// Rows: as those of the forward pass that is differentiated.
template <description D, class B, class Hooks, class Wanted, class Rows = whole_examples>
class adjoint_pass {
    template <class S> // a site; clang 14 does not survive the constraint
    static constexpr bool touched = Hooks::template touched<S> || Wanted::template touched<S>;

public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

    adjoint_pass(B const& backend, weights<D, B> const& w, batch const& tokens, Hooks& hooks, Wanted& wanted,
                 Rows const& seen = {})
        : b_(backend), a_(backend), w_(w), rows_(tokens.rows()), hooks_(hooks),
          wanted_(wanted), keeper_{backend, hooks}, again_(backend, w, tokens, keeper_, seen) {}

    /// streams: those that enter the blocks from `lowest` on, and the last one. seed: the gradient of the sum of what
    /// is read, with respect to the logits of rows `at` of the batch; [rows of at, vocab] values: the logits of these
    /// rows, as they are read
    void run(stream_tables<B> const& streams, table seed, table const& values, std::vector<std::int32_t> const& at,
             int lowest) {
        again_.make_buffers();
        keeper_.normalized = again_.normalized_.data();
        make_buffers();
        readings(streams.back(), std::move(seed), values, at);
        for (int layer = D.layers; layer-- > lowest;) {
            auto const& stream = streams[static_cast<std::size_t>(layer)];
            b_.copy(again_.stream_.data(), stream.data(), stream.size());
            auto const& w = w_.blocks[static_cast<std::size_t>(layer)];
            again_.block(layer, w);
            neurons(layer, w);
            attention(layer, w);
        }
        if constexpr (touched<sites::embed> || touched<sites::pos_embed>)
            if (lowest == 0)
                embed();
    }

private:
    using block_type = block_weights<D, B>;
    using keeper = block_keeper<D, B, Hooks, Wanted>;
    void make_buffers() {
        stream_ = make(D.d_model);
        normalized_ = make(D.d_model);
        branch_ = make(D.d_model);
        q_ = make(D.heads * D.d_head);
        k_ = make(D.kv_heads * D.d_head);
        v_ = make(D.kv_heads * D.d_head);
        z_ = make(D.heads * D.d_head);
        if constexpr (is_gated(D.mlp))
            gate_ = make(D.d_mlp);
        up_ = make(D.d_mlp);
    }

    void readings(table const& stream, table seed, table const& values, std::vector<std::int32_t> const& at) {
        std::vector<std::int32_t> all;
        for (std::size_t i = 0; i < at.size(); ++i)
            all.push_back(static_cast<std::int32_t>(i));
        auto const to = upload<memory>(at), from = upload<memory>(all);
        table again; // the final norm's output as the policies change it
        if constexpr (Hooks::template touched<sites::final_normalized> || Hooks::template touched<sites::logits>) {
            again = make(D.d_model);
            again_.norm(again, stream, w_.final_norm);
            if constexpr (Hooks::template touched<sites::final_normalized>)
                hooks_.apply(hook_point<D, sites::final_normalized>(0), view_of<sites::final_normalized>(again));
        }
        if constexpr (touched<sites::logits>) {
            table logits = make(D.vocab), capped;
            if constexpr (Hooks::template touched<sites::logits>) {
                b_.linear(as_matrix(logits), as_matrix(std::as_const(again)), w_.unembedding);
                if constexpr (D.final_softcap > 0) {
                    b_.softcap(as_matrix(logits), D.final_softcap);
                    capped = make(D.vocab);
                    b_.copy(capped.data(), std::as_const(logits).data(), logits.size());
                }
                hooks_.apply(hook_point<D, sites::logits>(0), view_of<sites::logits>(logits));
            } else if constexpr (D.final_softcap > 0) { // of the other rows no gradient comes
                capped = make(D.vocab);
                a_.zero(capped.data(), capped.size());
                b_.copy_rows(as_matrix(capped), to, as_matrix(values), from);
            }
            a_.zero(logits.data(), logits.size());
            b_.copy_rows(as_matrix(logits), to, as_matrix(std::as_const(seed)), from);
            pull<sites::logits>(0, logits);
            if constexpr (D.final_softcap > 0)
                a_.softcap(as_matrix(logits), as_matrix(std::as_const(capped)), D.final_softcap);
            linear(normalized_, logits, w_.unembedding);
        } else {
            if constexpr (D.final_softcap > 0)
                a_.softcap(as_matrix(seed), as_matrix(values), D.final_softcap);
            table chosen(extents<dynamic, dynamic>(at.size(), D.d_model));
            linear(chosen, seed, w_.unembedding);
            a_.zero(normalized_.data(), normalized_.size());
            b_.copy_rows(as_matrix(normalized_), to, as_matrix(std::as_const(chosen)), from);
        }
        pull<sites::final_normalized>(0, normalized_);
        norm(stream_, normalized_, stream, w_.final_norm, false);
    }

    /// From the stream behind the block to that behind attention; what attention gets is left in `branch_`.
    void neurons(int layer, block_type const& w) {
        pull<sites::resid_post>(layer, stream_);
        copy(branch_, stream_);
        pull<sites::mlp_out>(layer, branch_);
        if constexpr (D.post_norms)
            norm(branch_, branch_, again_.normalized_, w.mlp_out_norm, false);
        linear(up_, branch_, w.down);
        pull<sites::mlp_post>(layer, up_);
        auto const was_up = as_matrix(std::as_const(keeper_.up));
        if constexpr (is_gated(D.mlp)) {
            a_.gated(as_matrix(up_), as_matrix(gate_), was_up, as_matrix(std::as_const(again_.gate_)), D.mlp);
            pull<sites::mlp_gate>(layer, gate_);
        } else {
            a_.activate(as_matrix(up_), was_up, D.mlp);
        }
        pull<sites::mlp_pre>(layer, up_);
        linear(normalized_, up_, w.up);
        if constexpr (is_gated(D.mlp))
            linear(normalized_, gate_, w.gate, true);
        pull<sites::normalized2>(layer, normalized_);
        if constexpr (D.residual == residual::parallel)
            copy(branch_, stream_);
        norm(stream_, normalized_, D.residual == residual::parallel ? keeper_.stream : keeper_.middle, w.norm2, true);
        if constexpr (D.residual == residual::sequential) {
            pull<sites::resid_mid>(layer, stream_);
            copy(branch_, stream_);
        }
    }

    void attention(int layer, block_type const& w) {
        pull<sites::attn_out>(layer, branch_);
        if constexpr (D.post_norms)
            norm(branch_, branch_, keeper_.attn, w.attn_out_norm, false);
        if constexpr (touched<sites::result>) {
            if (result_.empty())
                result_ = make(D.heads * D.d_model);
            a_.repeat(as_matrix(result_), as_matrix(std::as_const(branch_)), D.heads);
            pull<sites::result>(layer, result_);
        }
        if constexpr (Hooks::template touched<sites::result>)
            a_.head_results(as_matrix(z_), as_matrix(std::as_const(result_)), w.o, D.heads);
        else
            linear(z_, branch_, w.o);
        pull<sites::z>(layer, z_);
        patterns(layer);
        if constexpr (D.position == position::rope) {
            pull<sites::rot_q>(layer, q_);
            pull<sites::rot_k>(layer, k_);
            auto const angles = as_matrix(std::as_const(again_.angles_));
            a_.rotate(as_matrix(q_), D.heads, angles, again_.positions_);
            a_.rotate(as_matrix(k_), D.kv_heads, angles, again_.positions_);
        }
        if constexpr (D.qk_norm) {
            head_norm(q_, keeper_.queries, D.heads, w.q_norm);
            head_norm(k_, keeper_.keys, D.kv_heads, w.k_norm);
        }
        pull<sites::q>(layer, q_);
        pull<sites::k>(layer, k_);
        pull<sites::v>(layer, v_);
        linear(normalized_, q_, w.q);
        linear(normalized_, k_, w.k, true);
        linear(normalized_, v_, w.v, true);
        pull<sites::normalized1>(layer, normalized_);
        norm(stream_, normalized_, keeper_.stream, w.norm1, true);
        pull<sites::resid_pre>(layer, stream_);
    }

    void patterns(int layer) {
        auto const shape = shape_of_attention<D>(layer);
        auto const q = as_matrix(std::as_const(again_.q_)), k = as_matrix(std::as_const(again_.k_)),
                   v = as_matrix(std::as_const(again_.v_)), dz = as_matrix(std::as_const(z_));
        if constexpr (touched<sites::scores> || touched<sites::pattern>) {
            auto const& made = std::as_const(again_.pattern_);
            if (lines_.empty())
                lines_ = vector_tensor<T, memory>(extents<dynamic>(made.size()));
            a_.mix(lines_.data(), as_matrix(v_), dz, made.data(), v, shape, rows_);
            pull<sites::pattern>(layer, lines_);
            a_.softmax(lines_.data(),
                       Hooks::template touched<sites::pattern> ? std::as_const(keeper_.pattern).data() : made.data(),
                       shape, rows_);
            pull<sites::scores>(layer, lines_);
            a_.scores(as_matrix(q_), as_matrix(k_), lines_.data(), q, k, shape, rows_);
        } else {
            again_.seen_.attention_adjoint(b_, a_, layer, as_matrix(q_), as_matrix(k_), as_matrix(v_), dz, q, k, v,
                                           shape, rows_);
        }
    }

    void embed() {
        if constexpr (Hooks::template touched<sites::embed> || Hooks::template touched<sites::pos_embed>)
            again_.embed();
        if constexpr (D.position == position::learned) {
            copy(branch_, stream_);
            pull<sites::pos_embed>(0, branch_);
        }
        pull<sites::embed>(0, stream_);
    }

    /// The gradient is looked at, then goes back through the policies of its site.
    template <site S, class Tensor>
    void pull(int layer, Tensor& gradient) {
        if constexpr (touched<S>) {
            hook_point<D, S> const point(layer);
            if constexpr (Wanted::template touched<S>)
                wanted_.apply(point, view_of<S>(gradient));
            if constexpr (Hooks::template touched<S>)
                hooks_.pull_back(a_, point, view_of<S>(gradient));
        }
    }

    template <site S, class Tensor>
    auto view_of(Tensor& x) const {
        return view<T, memory, typename hook_point<D, S>::shape>(x.data(), activation_layout<D, S>(rows_).extent());
    }

    void norm(table& dx, table const& dy, table const& x, typename block_type::norm const& w, bool added) const {
        if constexpr (D.norm == engraft::norm::rms)
            a_.rms_norm(as_matrix(dx), as_matrix(dy), as_matrix(x), w.gain, D.norm_eps, added);
        else
            a_.layer_norm(as_matrix(dx), as_matrix(dy), as_matrix(x), w.gain, D.norm_eps, added);
    }

    /// Each head of each row by itself.
    void head_norm(table& dx, table const& x, std::size_t heads, typename block_type::norm const& w) const {
        auto const each = [&](auto* data) {
            return matrix<std::remove_pointer_t<decltype(data)>>{data, rows_.rows() * heads, D.d_head, D.d_head};
        };
        a_.rms_norm(each(dx.data()), each(std::as_const(dx).data()), each(x.data()), w.gain, D.norm_eps, false);
    }

    void linear(table& dx, table const& dy, typename B::linear_map const& map, bool added = false) const {
        a_.linear(as_matrix(dx), as_matrix(dy), map, added);
    }

    void copy(table& to, table const& from) const { b_.copy(to.data(), from.data(), from.size()); }
    table make(int columns) const { return table(extents<dynamic, dynamic>(rows_.rows(), columns)); }

    B const& b_;
    adjoints<B> a_;
    weights<D, B> const& w_;
    ragged const& rows_;
    Hooks& hooks_;
    Wanted& wanted_;
    keeper keeper_;
    forward_pass<D, B, keeper, Rows> again_;
    table stream_, normalized_, branch_, q_, k_, v_, z_, gate_, up_, result_;
    vector_tensor<T, memory> lines_;
};

} // namespace engraft::detail
