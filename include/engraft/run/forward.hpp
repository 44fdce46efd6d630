#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/attention_row.hpp>
#include <engraft/intervene/asked_lines.hpp>
#include <engraft/intervene/hooks.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/run/row_steps.hpp>

namespace engraft::detail {

template <description const&, class, class>
class adjoint_pass;

/// What a pass computes: every row of its batch, each of which sees those of its example before it.
struct whole_examples {
    static constexpr bool has_patterns = true;
    static std::size_t first(std::size_t) { return 0; }
    static std::size_t longest(ragged const& rows) { return rows.longest(); }
    static void attention(auto const& b, int, auto z, auto q, auto k, auto v, attention_shape const& shape,
                          ragged const& rows) {
        b.attention(z, q, k, v, shape, rows);
    }
    static void attention_adjoint(auto const&, auto const& a, int, auto dq, auto dk, auto dv, auto dz, auto q, auto k,
                                  auto v, attention_shape const& shape, ragged const& rows) {
        a.attention(dq, dk, dv, dz, q, k, v, shape, rows);
    }
};

/// The stream between blocks: [l] as it enters block l, before the policies there, [layers] as it leaves the last one.
template <class B>
using stream_tables = std::vector<matrix_tensor<typename B::value_type, typename B::memory_type>>;

/// What a block that is computed again overwrites and its derivative needs: inputs of norms and of the nonlinearity, by
/// site.
template <class B>
struct kept_block {
    using table = matrix_tensor<typename B::value_type, typename B::memory_type>;
    std::array<table, static_cast<std::size_t>(known_sites::size)> tables;
    vector_tensor<typename B::value_type, typename B::memory_type> pattern; ///< as the softmax has made it
    bool needs_patterns = false;                                            ///< gradients of them are looked at

    template <site S>
    table& of() {
        return tables[static_cast<std::size_t>(site_index<S>)];
    }
};

/// The forward pass that computes every row of every layer. It takes the block's steps in their order, and calls hooks
/// at the sites that these reach; of `no_hooks` there is no trace.
/// Rows: which rows of examples the batch has, and what they see: see `whole_examples`.
template <description const& D, backend B, class Hooks, class Rows = whole_examples>
class forward_pass : private row_steps<D, B, forward_pass<D, B, Hooks, Rows>> {
    using row_steps_type = row_steps<D, B, forward_pass<D, B, Hooks, Rows>>;
    friend row_steps_type;

public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

    /// lines: the lines of attention to make if hooks touch them; null: all of them
    forward_pass(B const& backend, weights<D, B> const& w, batch const& tokens, Hooks& hooks, Rows const& seen = {},
                 asked_lines const* lines = nullptr)
        : row_steps_type(backend), w_(w), tokens_(tokens), rows_(tokens.rows()), seen_(seen), hooks_(hooks),
          lines_(lines), shapes_(tokens.tokens()) {}

    /// From block `first` on also keeps the stream between blocks.
    void keep_streams(stream_tables<B>& to, int first) { streams_ = &to, first_kept_ = first; }

    /// Runs the first `layers` blocks. Returns the final norm's output, [rows, d_model]; nothing unless all are run.
    table run(int layers = D.layers);

    /// Runs the blocks from `first` on. stream: as it enters that block, [rows, d_model]
    table run_from(table stream, int first);

private:
    template <description const&, class, class>
    friend class adjoint_pass; // computes single blocks again, and reads what is left in the tables
    using typename row_steps_type::block_type;
    static constexpr bool hooked = !std::is_same_v<Hooks, no_hooks>;

    void make_buffers() {
        if constexpr (D.position == position::rope) {
            angles_ = rotary_angles<D, B>(seen_.longest(rows_));
            positions_ = upload<memory>(positions<std::uint32_t>());
        }
        t_.make_all(rows_.rows());
    }

    table run_blocks(int first, int end) {
        for (int layer = first; layer < end; ++layer)
            block(layer, w_.blocks[static_cast<std::size_t>(layer)]);
        if (end < D.layers)
            return {};
        normalize<D>(b_, now<sites::final_normalized>(), read<sites::resid_post>(), w_.final_norm);
        at<sites::final_normalized>(0);
        return std::move(t_.template of<sites::final_normalized>());
    }

    void embed() {
        w_.embed(b_, now<sites::resid_pre>(), upload<memory>(tokens_.tokens()));
        if constexpr (D.scaled_embedding)
            b_.scale(now<sites::resid_pre>(), std::sqrt(static_cast<double>(D.d_model)));
        at<sites::embed, sites::resid_pre>(0);
        if constexpr (D.position == position::learned) {
            b_.gather_rows(now<sites::attn_out>(), as_matrix(w_.position_embedding),
                           upload<memory>(positions<std::int32_t>()));
            at<sites::pos_embed, sites::attn_out>(0);
            b_.add(now<sites::resid_pre>(), read<sites::attn_out>());
        }
    }

    void block(int layer, block_type const& w) {
        if (layer == 0)
            keep_stream(0);
        at<sites::resid_pre>(layer);
        row_steps_type::take_each(layer, w);
        keep_stream(layer + 1);
    }

    using row_steps_type::take;
    template <site Queries, site Keys>
    void take(steps::attend<Queries, Keys>, int layer, block_type const&) {
        bool attended = false;
        if constexpr (Rows::has_patterns)
            if (touched<sites::scores>() || touched<sites::pattern>() || (kept_ && kept_->needs_patterns)) {
                if (lines_)
                    attend_by_lines<Queries, Keys>(layer);
                else
                    attend_by_patterns<Queries, Keys>(layer);
                attended = true;
            }
        if (!attended)
            attend<Queries, Keys>(layer);
        at<sites::z>(layer);
    }
    template <site S>
    void take(steps::complete<S>, int layer, block_type const&) {
        if (!skips<S>())
            at<S>(layer);
    }

    template <site Queries, site Keys>
    void attend(int layer) {
        seen_.attention(b_, layer, now<sites::z>(), read<Queries>(), read<Keys>(), read<sites::v>(), shapes_.of(layer),
                        rows_);
    }
    template <site Queries, site Keys>
    void attend_by_patterns(int layer) {
        auto const shape = shapes_.of(layer);
        if (pattern_.empty())
            pattern_ = vector_tensor<T, memory>(activation_layout<D, sites::pattern>(rows_).extent());
        b_.scores(pattern_.data(), read<Queries>(), read<Keys>(), shape, rows_);
        at_lines<sites::scores>(layer);
        b_.softmax(pattern_.data(), shape, rows_);
        keep_pattern();
        at_lines<sites::pattern>(layer);
        b_.mix(now<sites::z>(), std::as_const(pattern_).data(), read<sites::v>(), shape, rows_);
    }
    /// The same to the bit, keeping the lines that are asked for.
    template <site Queries, site Keys>
    void attend_by_lines(int layer) {
        attend<Queries, Keys>(layer);
        if (!lines_->layers[static_cast<std::size_t>(layer)])
            return;
        auto const shape = shapes_.of(layer);
        if (pattern_.empty()) {
            pattern_ = vector_tensor<T, memory>(extents<dynamic>(lines_->rows * D.heads * rows_.longest()));
            queried_ = upload<memory>(queried_rows(*lines_));
        }
        matrix<T> const lines{pattern_.data(), queried_.size() * D.heads, rows_.longest(), rows_.longest()};
        b_.score_rows(lines, read<Queries>(), queried_, read<Keys>(), {}, {}, shape, rows_);
        at_lines<sites::scores>(layer);
        b_.softmax_rows(lines);
        at_lines<sites::pattern>(layer);
        if (written<sites::scores>() || written<sites::pattern>())
            b_.mix_rows(now<sites::z>(), lines, queried_, read<sites::v>(), {}, {}, shape, rows_);
    }
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

    /// Contributions of single heads are computed beside their sum, which changes by what is changed in them: the sum
    /// itself stays the product that it is without hooks.
    template <site From, site To>
    void results(int layer, typename B::linear_map const& map) {
        if (!touched<sites::result>())
            return;
        auto& result = t_.template of<sites::result>();
        if (result.empty())
            result = t_.template make<sites::result>(rows_.rows());
        b_.head_results(as_matrix(result), read<From>(), map, D.heads);
        if (!written<sites::result>())
            return at<sites::result>(layer);
        auto before = t_.template make<sites::result>(rows_.rows());
        b_.copy(before.data(), std::as_const(result).data(), result.size());
        at<sites::result>(layer);
        b_.add_difference(now<To>(), as_matrix(result), as_matrix(before), D.heads);
    }

    template <site S>
    matrix<T> now() {
        return t_.template matrix_of<S>();
    }
    template <site S>
    matrix<T const> read() const {
        return t_.template matrix_of<S>();
    }
    template <site S>
    matrix<T const> part(site_rows) const {
        return read<S>();
    }
    template <site S>
    matrix<T> make(site_rows) {
        return now<S>();
    }
    void linear(matrix<T> out, matrix<T const> in, typename B::linear_map const& map) const { b_.linear(out, in, map); }
    template <site S>
    void rotate(int layer) {
        b_.rotate(now<S>(), site_heads<D, S>, angles_.of(layer), positions_);
    }

    template <site S>
    bool touched() const {
        if constexpr (hooked)
            return hooks_.touched(site_index<S>);
        else
            return false;
    }
    template <site S>
    bool written() const {
        if constexpr (hooked)
            return hooks_.written(site_index<S>);
        else
            return false;
    }
    /// Calls what acts at a site, which stands in the table of `In`.
    template <site S, site In = S>
    void at(int layer) {
        if constexpr (hooked) {
            auto& elements = t_.template of<In>();
            hooks_.apply(site_index<S>, layer, elements.data(), elements.size());
        }
    }
    template <site S>
    void at_lines(int layer) {
        if constexpr (hooked)
            hooks_.apply(site_index<S>, layer, pattern_.data(), pattern_.size());
    }

    void keep_stream(int layer) {
        if constexpr (hooked)
            if (streams_ && layer >= first_kept_) {
                auto& to = (*streams_)[static_cast<std::size_t>(layer)];
                to = t_.template make<sites::resid_pre>(rows_.rows());
                b_.copy(to.data(), std::as_const(t_).template of<sites::resid_pre>().data(), to.size());
            }
    }
    /// Of a block that is computed again.
    template <site S>
    void keep() {
        if constexpr (hooked)
            if (kept_) {
                auto& to = kept_->template of<S>();
                if (to.empty())
                    to = t_.template make<S>(rows_.rows());
                b_.copy(to.data(), std::as_const(t_).template of<S>().data(), to.size());
            }
    }
    bool keeps() const { return kept_ != nullptr; }
    void keep_pattern() {
        if constexpr (hooked)
            if (kept_ && hooks_.touched(site_index<sites::pattern>)) {
                if (kept_->pattern.empty())
                    kept_->pattern = vector_tensor<T, memory>(extents<dynamic>(pattern_.size()));
                b_.copy(kept_->pattern.data(), std::as_const(pattern_).data(), pattern_.size());
            }
    }
    /// A block that is computed again ends at its neurons where nothing asks for what comes behind them.
    template <site S>
    bool skips() const {
        if constexpr (hooked && !D.post_norms &&
                      (std::is_same_v<S, sites::mlp_out> || std::is_same_v<S, sites::resid_post>))
            return kept_ && !touched<sites::mlp_out>() && !touched<sites::resid_post>();
        else
            return false;
    }

    /// Of each row of the batch.
    template <class Number>
    std::vector<Number> positions() const {
        std::vector<Number> all;
        for (std::size_t e = 0; e < rows_.examples(); ++e)
            for (std::size_t p = 0; p < rows_.length(e); ++p)
                all.push_back(static_cast<Number>(seen_.first(e) + p));
        return all;
    }

    using row_steps_type::b_;
    weights<D, B> const& w_;
    batch const& tokens_;
    ragged const& rows_;
    [[no_unique_address]] std::conditional_t<std::is_empty_v<Rows>, Rows, Rows const&> seen_;
    Hooks& hooks_;
    asked_lines const* lines_;
    stream_tables<B>* streams_ = nullptr;
    int first_kept_ = 0;
    kept_block<B>* kept_ = nullptr;
    activations<D, B> t_;
    rotary_angles<D, B> angles_;
    attention_shapes<D> shapes_;
    vector_tensor<std::uint32_t, memory> positions_; ///< of all rows
    vector_tensor<T, memory> pattern_;
    vector_tensor<attention_row, memory> queried_; ///< whose lines `pattern_` has, where it does not have all
};

// Not inline, so that a library can have them.

template <description const& D, backend B, class Hooks, class Rows>
auto forward_pass<D, B, Hooks, Rows>::run(int layers) -> table {
    make_buffers();
    embed();
    return run_blocks(0, layers);
}

template <description const& D, backend B, class Hooks, class Rows>
auto forward_pass<D, B, Hooks, Rows>::run_from(table stream, int first) -> table {
    make_buffers();
    t_.template of<sites::resid_pre>() = std::move(stream);
    return run_blocks(first, D.layers);
}

} // namespace engraft::detail
