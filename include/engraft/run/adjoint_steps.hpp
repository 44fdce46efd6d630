#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/run/forward_steps.hpp>

namespace engraft::detail {

/// What a block that is computed again overwrites and its derivative needs, as the block's hooks find it.
template <class B>
struct kept_block {
    using T = typename B::value_type;
    using table = matrix_tensor<T, typename B::memory_type>;

    table stream{}, middle{}, up{}, queries{}, keys{};
    table attn{};                                        ///< attention's output before the norm behind it
    vector_tensor<T, typename B::memory_type> pattern{}; ///< as the softmax has made it
};

/// The steps of an adjoint pass between its hooks, and the buffers of gradients that they work in, named after the
/// sites. As with `forward_steps`, hooks are no argument.
template <description const& D, backend B, class Rows>
class adjoint_steps {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

protected:
    using block_type = block_weights<D, B>;
    using forward = forward_steps<D, B, Rows>;

    adjoint_steps(B const& backend, weights<D, B> const& w, ragged const& rows)
        : b_(backend), a_(backend), w_(w), rows_(rows) {}

    /// again: the pass that computes blocks again; kept: what its hooks keep
    void begin(forward& again, kept_block<B> const& kept) {
        forward_ = &again;
        kept_ = &kept;
        again.make_buffers();
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

    /// The stream that enters the block which is computed again.
    void restore(table const& stream) { b_.copy(forward_->stream_.data(), stream.data(), stream.size()); }

    /// From rows of logits to all rows of the final norm's output, when no policy is between them.
    void unembed(table seed, table const& values, std::vector<std::int32_t> const& at) {
        if constexpr (D.final_softcap > 0)
            a_.softcap(as_matrix(seed), as_matrix(values), D.final_softcap);
        table chosen(extents<dynamic, dynamic>(at.size(), D.d_model));
        linear(chosen, seed, w_.unembedding);
        scatter(normalized_, chosen, at);
    }
    /// `rows` at these places, and zero between them.
    void scatter(table& all, table const& rows, std::vector<std::int32_t> const& at) const {
        std::vector<std::int32_t> each(at.size());
        std::iota(each.begin(), each.end(), 0);
        a_.zero(all.data(), all.size());
        b_.copy_rows(as_matrix(all), upload<memory>(at), as_matrix(rows), upload<memory>(each));
    }
    void final_norm(table const& stream) { norm(stream_, normalized_, stream, w_.final_norm, false); }
    /// The logits of all rows of what the final norm has made, without the cap on them.
    table logits_of(table const& normalized) const {
        auto logits = make(D.vocab);
        b_.linear(as_matrix(logits), as_matrix(normalized), w_.unembedding);
        return logits;
    }
    void cap(table& logits) const { b_.softcap(as_matrix(logits), D.final_softcap); }
    void uncap(table& gradient, table const& capped) const {
        a_.softcap(as_matrix(gradient), as_matrix(capped), D.final_softcap);
    }

    void neurons_of_output(block_type const& w) {
        if constexpr (D.post_norms)
            norm(branch_, branch_, forward_->normalized_, w.mlp_out_norm, false);
        linear(up_, branch_, w.down);
    }
    void activate() {
        auto const was_up = as_matrix(kept_->up);
        if constexpr (is_gated(D.mlp))
            a_.gated(as_matrix(up_), as_matrix(gate_), was_up, as_matrix(std::as_const(forward_->gate_)), D.mlp);
        else
            a_.activate(as_matrix(up_), was_up, D.mlp);
    }
    void input_of_neurons(block_type const& w) {
        linear(normalized_, up_, w.up);
        if constexpr (is_gated(D.mlp))
            linear(normalized_, gate_, w.gate, true);
    }
    /// What attention's output gets is left in `branch_` where the stream is the one that the MLP does not read.
    void input_of_norm2(block_type const& w) {
        if constexpr (D.residual == residual::parallel)
            copy(branch_, stream_);
        norm(stream_, normalized_, D.residual == residual::parallel ? kept_->stream : kept_->middle, w.norm2, true);
    }

    void normalize_attention(block_type const& w) {
        if constexpr (D.post_norms)
            norm(branch_, branch_, kept_->attn, w.attn_out_norm, false);
    }
    void repeat_for_results() {
        if (result_.empty())
            result_ = make(D.heads * D.d_model);
        a_.repeat(as_matrix(result_), as_matrix(std::as_const(branch_)), D.heads);
    }
    void z_of_results(block_type const& w) {
        a_.head_results(as_matrix(z_), as_matrix(std::as_const(result_)), w.o, D.heads);
    }
    void z_of_sum(block_type const& w) { linear(z_, branch_, w.o); }

    /// From z to queries, keys and values at once, or by way of `lines_`: gradients of patterns and scores.
    void attend(int layer) {
        forward_->seen_.attention_adjoint(b_, a_, layer, as_matrix(q_), as_matrix(k_), as_matrix(v_), gradient_of_z(),
                                          forward_->queries(), forward_->keys(), forward_->values(),
                                          shape_of_attention<D>(layer), rows_);
    }
    void mix(int layer) {
        auto const& made = std::as_const(forward_->pattern_);
        if (lines_.empty())
            lines_ = vector_tensor<T, memory>(extents<dynamic>(made.size()));
        a_.mix(lines_.data(), as_matrix(v_), gradient_of_z(), made.data(), forward_->values(),
               shape_of_attention<D>(layer), rows_);
    }
    /// changed: whether a policy acts on patterns, so that they are not what the softmax has made
    void softmax(int layer, bool changed) {
        a_.softmax(lines_.data(), changed ? kept_->pattern.data() : std::as_const(forward_->pattern_).data(),
                   shape_of_attention<D>(layer), rows_);
    }
    void score(int layer) {
        a_.scores(as_matrix(q_), as_matrix(k_), lines_.data(), forward_->queries(), forward_->keys(),
                  shape_of_attention<D>(layer), rows_);
    }
    void rotate() {
        auto const angles = as_matrix(std::as_const(forward_->angles_));
        a_.rotate(as_matrix(q_), D.heads, angles, forward_->positions_);
        a_.rotate(as_matrix(k_), D.kv_heads, angles, forward_->positions_);
    }
    void normalize_queries_and_keys(block_type const& w) {
        if constexpr (D.qk_norm) {
            head_norm(q_, kept_->queries, D.heads, w.q_norm);
            head_norm(k_, kept_->keys, D.kv_heads, w.k_norm);
        }
    }
    void input_of_attention(block_type const& w) {
        linear(normalized_, q_, w.q);
        linear(normalized_, k_, w.k, true);
        linear(normalized_, v_, w.v, true);
    }
    void input_of_norm1(block_type const& w) { norm(stream_, normalized_, kept_->stream, w.norm1, true); }

    void linear(table& dx, table const& dy, typename B::linear_map const& map, bool added = false) const {
        a_.linear(as_matrix(dx), as_matrix(dy), map, added);
    }
    void copy(table& to, table const& from) const { b_.copy(to.data(), from.data(), from.size()); }
    table make(int columns) const { return table(extents<dynamic, dynamic>(rows_.rows(), columns)); }

    /// Where no policy acts, nothing is done.
    static void pull(untouched, int, table&) {}
    static void pull(untouched, int, vector_tensor<T, memory>&) {}

    B const& b_;
    adjoints<B> a_;
    weights<D, B> const& w_;
    ragged const& rows_;
    table stream_, normalized_, branch_, q_, k_, v_, z_, gate_, up_, result_;
    vector_tensor<T, memory> lines_;

private:
    matrix<T const> gradient_of_z() const { return as_matrix(z_); }

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

    forward* forward_ = nullptr;
    kept_block<B> const* kept_ = nullptr;
};

} // namespace engraft::detail
