#pragma once

#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <engraft/intervene/compose.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/run/steps.hpp>

namespace engraft::detail {

template <description, class, class, class, class>
class adjoint_pass;

/// What a pass computes: every row of its batch, each of which sees those of its example before it.
struct whole_examples {
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

/// What a block's last product makes is not asked for.
template <class Hooks>
inline constexpr bool ends_at_neurons = requires {
    requires Hooks::ends_at_neurons;
};

/// The forward pass that computes every row of every layer, calling bound hooks at the sites they touch. Sites in the
/// order of `block_sites`; each holds its activation in a buffer of its own name, used again by the next block.
/// Rows: which rows of examples the batch has, and what they see: see `whole_examples`.
template <description D, backend B, class Hooks, class Rows = whole_examples>
class forward_pass {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

    forward_pass(B const& backend, weights<D, B> const& w, batch const& tokens, Hooks& hooks, Rows const& seen = {})
        : b_(backend), w_(w), tokens_(tokens), rows_(tokens.rows()), seen_(seen), hooks_(hooks) {}

    /// Runs the first `layers` blocks. Returns the final norm's output, [rows, d_model]; nothing unless all are run.
    table run(int layers = D.layers) {
        make_buffers();
        embed();
        return run_blocks(0, layers);
    }

    /// Runs the blocks from `first` on. stream: as it enters that block, [rows, d_model]
    table run_from(table stream, int first) {
        make_buffers();
        stream_ = std::move(stream);
        return run_blocks(first, D.layers);
    }

private:
    template <description, class, class, class, class>
    friend class adjoint_pass; // computes single blocks again, and reads what is left in the buffers
    using block_type = block_weights<D, B>;

    table run_blocks(int first, int end) {
        for (int layer = first; layer < end; ++layer)
            block(layer, w_.blocks[static_cast<std::size_t>(layer)]);
        if (end < D.layers)
            return {};
        norm(normalized_, stream_, w_.final_norm);
        at<sites::final_normalized>(0, normalized_);
        return std::move(normalized_);
    }

    void make_buffers() {
        if constexpr (D.position == position::rope) {
            angles_ = rotary_angles<D, B>(seen_.longest(rows_));
            std::vector<std::uint32_t> positions;
            for (std::size_t e = 0; e < rows_.examples(); ++e)
                for (std::size_t p = 0; p < rows_.length(e); ++p)
                    positions.push_back(static_cast<std::uint32_t>(seen_.first(e) + p));
            positions_ = upload<memory>(positions);
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

    void embed() {
        w_.embed(b_, as_matrix(stream_), upload<memory>(tokens_.tokens()));
        if constexpr (D.scaled_embedding)
            b_.scale(as_matrix(stream_), std::sqrt(static_cast<double>(D.d_model)));
        at<sites::embed>(0, stream_);
        if constexpr (D.position == position::learned) {
            std::vector<std::int32_t> positions;
            for (std::size_t e = 0; e < rows_.examples(); ++e)
                for (std::size_t p = 0; p < rows_.length(e); ++p)
                    positions.push_back(static_cast<std::int32_t>(seen_.first(e) + p));
            b_.gather_rows(as_matrix(attn_out_), as_matrix(w_.position_embedding), upload<memory>(positions));
            at<sites::pos_embed>(0, attn_out_);
            add(stream_, attn_out_);
        }
    }

    void block(int layer, block_type const& w) {
        at<sites::resid_pre>(layer, stream_);
        norm(normalized_, stream_, w.norm1);
        at<sites::normalized1>(layer, normalized_);
        attention(layer, w);
        at<sites::attn_out>(layer, attn_out_);
        if constexpr (D.residual == residual::sequential) {
            add(stream_, attn_out_);
            at<sites::resid_mid>(layer, stream_);
        }
        norm(normalized_, stream_, w.norm2);
        at<sites::normalized2>(layer, normalized_);
        neurons(layer, w);
        if constexpr (ends_at_neurons<Hooks>)
            return;
        at<sites::mlp_out>(layer, mlp_out_);
        if constexpr (D.residual == residual::parallel)
            add(stream_, attn_out_);
        add(stream_, mlp_out_);
        at<sites::resid_post>(layer, stream_);
    }

    void attention(int layer, block_type const& w) {
        linear(q_, normalized_, w.q);
        at<sites::q>(layer, q_);
        linear(k_, normalized_, w.k);
        at<sites::k>(layer, k_);
        linear(v_, normalized_, w.v);
        at<sites::v>(layer, v_);
        if constexpr (D.qk_norm) {
            normalize_heads<D>(b_, as_matrix(q_), D.heads, w.q_norm);
            normalize_heads<D>(b_, as_matrix(k_), D.kv_heads, w.k_norm);
        }
        if constexpr (D.position == position::rope) {
            b_.rotate(as_matrix(q_), D.heads, as_matrix(std::as_const(angles_)), positions_);
            at<sites::rot_q>(layer, q_);
            b_.rotate(as_matrix(k_), D.kv_heads, as_matrix(std::as_const(angles_)), positions_);
            at<sites::rot_k>(layer, k_);
        }

        auto const queries = as_matrix(std::as_const(q_)), keys = as_matrix(std::as_const(k_)),
                   values = as_matrix(std::as_const(v_));
        auto const shape = shape_of_attention<D>(layer);
        if constexpr (Hooks::template touched<sites::scores> || Hooks::template touched<sites::pattern>) {
            static_assert(std::is_same_v<Rows, whole_examples>);
            if (pattern_.empty())
                pattern_ = vector_tensor<T, memory>(activation_layout<D, sites::pattern>(rows_).extent());
            b_.scores(pattern_.data(), queries, keys, shape, rows_);
            at<sites::scores>(layer, pattern_);
            b_.softmax(pattern_.data(), shape, rows_);
            at<sites::pattern>(layer, pattern_);
            b_.mix(as_matrix(z_), std::as_const(pattern_).data(), values, shape, rows_);
        } else {
            seen_.attention(b_, layer, as_matrix(z_), queries, keys, values, shape, rows_);
        }
        at<sites::z>(layer, z_);
        auto& out = D.post_norms ? normalized_ : attn_out_;
        linear(out, z_, w.o);
        if constexpr (Hooks::template touched<sites::result>)
            results(out, layer, w);
        if constexpr (D.post_norms)
            norm(attn_out_, normalized_, w.attn_out_norm);
    }

    /// Contributions of single heads are computed beside their sum, which changes by what is changed in them: the sum
    /// itself stays the product that it is without hooks.
    void results(table& sum, int layer, block_type const& w) {
        if (result_.empty())
            result_ = make(D.heads * D.d_model);
        b_.head_results(as_matrix(result_), as_matrix(std::as_const(z_)), w.o, D.heads);
        if constexpr (Hooks::template written<sites::result>) {
            auto before = make(D.heads * D.d_model);
            b_.copy(before.data(), std::as_const(result_).data(), result_.size());
            at<sites::result>(layer, result_);
            b_.add_difference(as_matrix(sum), as_matrix(std::as_const(result_)), as_matrix(std::as_const(before)),
                              D.heads);
        } else {
            at<sites::result>(layer, result_);
        }
    }

    void neurons(int layer, block_type const& w) {
        if constexpr (is_gated(D.mlp)) {
            linear(gate_, normalized_, w.gate);
            at<sites::mlp_gate>(layer, gate_);
        }
        linear(up_, normalized_, w.up);
        at<sites::mlp_pre>(layer, up_);
        if constexpr (is_gated(D.mlp))
            b_.gated(as_matrix(up_), as_matrix(std::as_const(gate_)), D.mlp);
        else
            b_.activate(as_matrix(up_), D.mlp);
        at<sites::mlp_post>(layer, up_);
        if constexpr (ends_at_neurons<Hooks>)
            return;
        linear(D.post_norms ? normalized_ : mlp_out_, up_, w.down);
        if constexpr (D.post_norms)
            norm(mlp_out_, normalized_, w.mlp_out_norm);
    }

    void norm(table& out, table const& in, typename block_type::norm const& w) const {
        normalize<D>(b_, as_matrix(out), as_matrix(in), w);
    }

    void add(table& to, table const& from) const { b_.add(as_matrix(to), as_matrix(from)); }

    template <site S, class Tensor>
    void at(int layer, Tensor& activation) {
        if constexpr (Hooks::template touched<S>) {
            using shape = typename hook_point<D, S>::shape;
            hooks_.apply(hook_point<D, S>(layer),
                         view<T, memory, shape>(activation.data(), activation_layout<D, S>(rows_).extent()));
        }
    }

    void linear(table& out, table const& in, typename B::linear_map const& map) const {
        b_.linear(as_matrix(out), as_matrix(in), map);
    }

    table make(int columns) const { return table(extents<dynamic, dynamic>(rows_.rows(), columns)); }

    B const& b_;
    weights<D, B> const& w_;
    batch const& tokens_;
    ragged const& rows_;
    [[no_unique_address]] std::conditional_t<std::is_empty_v<Rows>, Rows, Rows const&> seen_;
    Hooks& hooks_;
    table angles_, stream_, normalized_, attn_out_, mlp_out_, q_, k_, v_, z_, gate_, up_, result_;
    vector_tensor<std::uint32_t, memory> positions_; ///< of all rows
    vector_tensor<T, memory> pattern_;
};

} // namespace engraft::detail
