#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/attention_row.hpp>
#include <engraft/intervene/asked_lines.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/run/steps.hpp>

namespace engraft::detail {

/// What stands for a site that no policy touches.
struct untouched {};

/// The site where some policy of Hooks touches it, else `untouched`. (S is a site; clang 14 does not survive saying
/// so.)
template <class Hooks, class S>
using site_if_touched = std::conditional_t<Hooks::template touched<S>, S, untouched>;

/// The steps of a forward pass between its hooks, and the buffers that they work in: each holds the activation of the
/// site that it is named after, used again by the next block. Hooks are no argument, so that all passes over one
/// description share them.
/// Rows: which rows of examples the batch has, and what they see: see `whole_examples`.
template <description const& D, backend B, class Rows>
class forward_steps {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

protected:
    template <description const&, backend, class>
    friend class adjoint_steps; // reads what is left in the buffers
    using block_type = block_weights<D, B>;

    forward_steps(B const& backend, weights<D, B> const& w, batch const& tokens, Rows const& seen)
        : b_(backend), w_(w), tokens_(tokens), rows_(tokens.rows()), seen_(seen) {}

    void make_buffers() {
        if constexpr (D.position == position::rope) {
            angles_ = rotary_angles<D, B>(seen_.longest(rows_));
            positions_ = upload<memory>(positions<std::uint32_t>());
        }
        stream_ = make(D.d_model);
        normalized_ = make(D.d_model);
        attn_out_ = make(D.d_model);
        mlp_out_ = make(D.d_model);
        q_ = make(D.heads * D.d_head);
        k_ = make(D.kv_heads * D.d_head);
        v_ = make(D.kv_heads * D.d_head);
        z_ = make(D.heads * D.d_head);
        if constexpr (is_gated(D.mlp))
            gate_ = make(D.d_mlp);
        up_ = make(D.d_mlp);
    }

    void embed_tokens() {
        w_.embed(b_, as_matrix(stream_), upload<memory>(tokens_.tokens()));
        if constexpr (D.scaled_embedding)
            b_.scale(as_matrix(stream_), std::sqrt(static_cast<double>(D.d_model)));
    }
    /// Learned ones, into `attn_out_`.
    void embed_positions() {
        b_.gather_rows(as_matrix(attn_out_), as_matrix(w_.position_embedding),
                       upload<memory>(positions<std::int32_t>()));
    }

    void normalize_queries_and_keys(block_type const& w) {
        if constexpr (D.qk_norm) {
            normalize_heads<D>(b_, as_matrix(q_), D.heads, w.q_norm);
            normalize_heads<D>(b_, as_matrix(k_), D.kv_heads, w.k_norm);
        }
    }
    void rotate(table& x, std::size_t heads) {
        b_.rotate(as_matrix(x), heads, as_matrix(std::as_const(angles_)), positions_);
    }

    /// z from queries, keys and values at once, or by way of `pattern_`: scores, their softmax, and their mix of
    /// values.
    void attend(int layer) {
        seen_.attention(b_, layer, as_matrix(z_), queries(), keys(), values(), shape_of_attention<D>(layer), rows_);
    }
    void score(int layer) {
        if (pattern_.empty())
            pattern_ = vector_tensor<T, memory>(activation_layout<D, sites::pattern>(rows_).extent());
        b_.scores(pattern_.data(), queries(), keys(), shape_of_attention<D>(layer), rows_);
    }
    void softmax(int layer) { b_.softmax(pattern_.data(), shape_of_attention<D>(layer), rows_); }
    /// The same of some rows; `pattern_` has their lines.
    void score(int layer, asked_lines const& asked) {
        if (pattern_.empty()) {
            pattern_ = vector_tensor<T, memory>(extents<dynamic>(asked.rows * D.heads * rows_.longest()));
            queried_ = upload<memory>(queried_rows(asked));
        }
        b_.score_rows(lines(), queries(), queried_, keys(), {}, {}, shape_of_attention<D>(layer), rows_);
    }
    void softmax_lines() { b_.softmax_rows(lines()); }
    void mix_lines(int layer) {
        b_.mix_rows(as_matrix(z_), lines(), queried_, values(), {}, {}, shape_of_attention<D>(layer), rows_);
    }

    void mix(int layer) {
        b_.mix(as_matrix(z_), std::as_const(pattern_).data(), values(), shape_of_attention<D>(layer), rows_);
    }

    /// attn_out, but for the norm behind it; returns the buffer that it is in.
    table& sum_heads(block_type const& w) {
        auto& out = D.post_norms ? normalized_ : attn_out_;
        linear(out, z_, w.o);
        return out;
    }
    void normalize_attention(block_type const& w) {
        if constexpr (D.post_norms)
            norm(attn_out_, normalized_, w.attn_out_norm);
    }
    void head_results(block_type const& w) {
        if (result_.empty())
            result_ = make(D.heads * D.d_model);
        b_.head_results(as_matrix(result_), as_matrix(std::as_const(z_)), w.o, D.heads);
    }
    table copied_results() const {
        auto copy = make(D.heads * D.d_model);
        b_.copy(copy.data(), result_.data(), result_.size());
        return copy;
    }
    void add_changed_results(table& sum, table const& before) const {
        b_.add_difference(as_matrix(sum), as_matrix(result_), as_matrix(before), D.heads);
    }

    void activate() {
        if constexpr (is_gated(D.mlp))
            b_.gated(as_matrix(up_), as_matrix(std::as_const(gate_)), D.mlp);
        else
            b_.activate(as_matrix(up_), D.mlp);
    }
    void sum_neurons(block_type const& w) {
        linear(D.post_norms ? normalized_ : mlp_out_, up_, w.down);
        if constexpr (D.post_norms)
            norm(mlp_out_, normalized_, w.mlp_out_norm);
    }

    void norm(table& out, table const& in, typename block_type::norm const& w) const {
        normalize<D>(b_, as_matrix(out), as_matrix(in), w);
    }
    void linear(table& out, table const& in, typename B::linear_map const& map) const {
        b_.linear(as_matrix(out), as_matrix(in), map);
    }
    void add(table& to, table const& from) const { b_.add(as_matrix(to), as_matrix(from)); }

    /// Where no policy acts, nothing is done.
    static void at(untouched, int, table&) {}
    static void at(untouched, int, vector_tensor<T, memory>&) {}

    B const& b_;
    weights<D, B> const& w_;
    batch const& tokens_;
    ragged const& rows_;
    [[no_unique_address]] std::conditional_t<std::is_empty_v<Rows>, Rows, Rows const&> seen_;
    table angles_, stream_, normalized_, attn_out_, mlp_out_, q_, k_, v_, z_, gate_, up_, result_;
    vector_tensor<std::uint32_t, memory> positions_; ///< of all rows
    vector_tensor<T, memory> pattern_;
    vector_tensor<attention_row, memory> queried_; ///< whose lines `pattern_` has, where it does not have all

private:
    auto queries() const { return as_matrix(q_); }
    auto keys() const { return as_matrix(k_); }
    auto values() const { return as_matrix(v_); }
    table make(int columns) const { return table(extents<dynamic, dynamic>(rows_.rows(), columns)); }

    matrix<T> lines() { return {pattern_.data(), queried_.size() * D.heads, rows_.longest(), rows_.longest()}; }
    std::vector<attention_row> queried_rows(asked_lines const& asked) const {
        std::vector<attention_row> list;
        for (std::size_t e = 0; e < rows_.examples(); ++e)
            for (std::size_t p = 0; p < rows_.length(e); ++p)
                if (auto const row = static_cast<std::uint32_t>(rows_.begin(e) + p);
                    asked.number_of[row] != asked_lines::absent)
                    list.push_back({.query = row,
                                    .out = row,
                                    .example = static_cast<std::uint32_t>(e),
                                    .position = static_cast<std::uint32_t>(p)});
        return list;
    }

    template <class Number>
    std::vector<Number> positions() const {
        std::vector<Number> all;
        for (std::size_t e = 0; e < rows_.examples(); ++e)
            for (std::size_t p = 0; p < rows_.length(e); ++p)
                all.push_back(static_cast<Number>(seen_.first(e) + p));
        return all;
    }
};

} // namespace engraft::detail
