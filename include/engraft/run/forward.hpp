#pragma once

#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/model/rotary.hpp>
#include <engraft/model/weights.hpp>
#include <engraft/run/batch.hpp>

namespace engraft::detail {

/// The forward pass that computes every row of every layer, calling bound hooks at the sites they touch. Sites in the
/// order of `block_sites`; each holds its activation in a buffer of its own name, used again by the next block.
template <description D, backend B, class Hooks>
class forward_pass {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = matrix_tensor<T, memory>;

    forward_pass(B const& backend, weights<D, B> const& w, batch const& tokens, Hooks& hooks)
        : b_(backend), w_(w), tokens_(tokens), rows_(tokens.rows()), hooks_(hooks) {}

    /// The final norm's output, [rows, d_model].
    table run() {
        angles_ = rotary_angles();
        stream_ = make(D.d_model);
        normalized_ = make(D.d_model);
        contribution_ = make(D.d_model);
        q_ = make(D.heads * D.d_head);
        k_ = make(D.kv_heads * D.d_head);
        v_ = make(D.kv_heads * D.d_head);
        z_ = make(D.heads * D.d_head);
        gate_ = make(D.d_mlp);
        up_ = make(D.d_mlp);

        auto const index =
            vector_tensor<std::int32_t, memory>::from_host(tokens_.tokens(), extents<dynamic>(rows_.rows()));
        b_.gather_rows(as_matrix(stream_), as_matrix(w_.embedding), index);
        at<sites::embed>(0, stream_);
        for (int layer = 0; layer < D.layers; ++layer) block(layer, w_.blocks[static_cast<std::size_t>(layer)]);
        b_.rms_norm(as_matrix(normalized_), as_matrix(std::as_const(stream_)), w_.final_norm_gain, D.norm_eps);
        at<sites::final_normalized>(0, normalized_);
        return std::move(normalized_);
    }

private:
    void block(int layer, block_weights<D, B> const& w) {
        at<sites::resid_pre>(layer, stream_);
        b_.rms_norm(as_matrix(normalized_), as_matrix(std::as_const(stream_)), w.norm1_gain, D.norm_eps);
        at<sites::normalized1>(layer, normalized_);
        attention(layer, w);
        at<sites::attn_out>(layer, contribution_);
        b_.add(as_matrix(stream_), as_matrix(std::as_const(contribution_)));
        at<sites::resid_mid>(layer, stream_);
        b_.rms_norm(as_matrix(normalized_), as_matrix(std::as_const(stream_)), w.norm2_gain, D.norm_eps);
        at<sites::normalized2>(layer, normalized_);
        gated_mlp(layer, w);
        at<sites::mlp_out>(layer, contribution_);
        b_.add(as_matrix(stream_), as_matrix(std::as_const(contribution_)));
        at<sites::resid_post>(layer, stream_);
    }

    void attention(int layer, block_weights<D, B> const& w) {
        linear(q_, normalized_, w.q);
        at<sites::q>(layer, q_);
        linear(k_, normalized_, w.k);
        at<sites::k>(layer, k_);
        linear(v_, normalized_, w.v);
        at<sites::v>(layer, v_);
        b_.rotate(as_matrix(q_), D.heads, as_matrix(std::as_const(angles_)), rows_);
        at<sites::rot_q>(layer, q_);
        b_.rotate(as_matrix(k_), D.kv_heads, as_matrix(std::as_const(angles_)), rows_);
        at<sites::rot_k>(layer, k_);

        auto const queries = as_matrix(std::as_const(q_)), keys = as_matrix(std::as_const(k_)),
                   values = as_matrix(std::as_const(v_));
        double const scale = 1 / std::sqrt(static_cast<double>(D.d_head));
        if constexpr (Hooks::template touched<sites::scores> || Hooks::template touched<sites::pattern>) {
            if (pattern_.empty())
                pattern_ = vector_tensor<T, memory>(activation_layout<D, sites::pattern>(rows_).extent());
            b_.scores(pattern_.data(), queries, keys, D.heads, D.kv_heads, scale, rows_);
            at<sites::scores>(layer, pattern_);
            b_.softmax(pattern_.data(), D.heads, rows_);
            at<sites::pattern>(layer, pattern_);
            b_.mix(as_matrix(z_), std::as_const(pattern_).data(), values, D.heads, D.kv_heads, rows_);
        } else {
            b_.attention(as_matrix(z_), queries, keys, values, D.heads, D.kv_heads, scale, rows_);
        }
        at<sites::z>(layer, z_);
        linear(contribution_, z_, w.o);
        if constexpr (Hooks::template touched<sites::result>) results(layer, w);
    }

    /// Contributions of single heads are computed beside their sum, which changes by what is changed in them: the sum
    /// itself stays the product that it is without hooks.
    void results(int layer, block_weights<D, B> const& w) {
        if (result_.empty()) result_ = make(D.heads * D.d_model);
        b_.head_results(as_matrix(result_), as_matrix(std::as_const(z_)), w.o, D.heads);
        if constexpr (Hooks::template written<sites::result>) {
            auto before = make(D.heads * D.d_model);
            b_.copy(before.data(), std::as_const(result_).data(), result_.size());
            at<sites::result>(layer, result_);
            b_.add_difference(as_matrix(contribution_), as_matrix(std::as_const(result_)),
                              as_matrix(std::as_const(before)), D.heads);
        } else {
            at<sites::result>(layer, result_);
        }
    }

    void gated_mlp(int layer, block_weights<D, B> const& w) {
        linear(gate_, normalized_, w.gate);
        at<sites::mlp_gate>(layer, gate_);
        linear(up_, normalized_, w.up);
        at<sites::mlp_pre>(layer, up_);
        b_.silu_product(as_matrix(up_), as_matrix(std::as_const(gate_)), as_matrix(std::as_const(up_)));
        at<sites::mlp_post>(layer, up_);
        linear(contribution_, up_, w.down);
    }

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

    table rotary_angles() const {
        auto const frequencies = rotary_frequencies<D>();
        std::vector<T> angles;
        for (std::size_t p = 0; p < rows_.longest(); ++p) {
            for (double f : frequencies) angles.push_back(static_cast<T>(std::cos(static_cast<double>(p) * f)));
            for (double f : frequencies) angles.push_back(static_cast<T>(std::sin(static_cast<double>(p) * f)));
        }
        return table::from_host(angles, extents<dynamic, dynamic>(rows_.longest(), D.d_head));
    }

    B const& b_;
    weights<D, B> const& w_;
    batch const& tokens_;
    ragged const& rows_;
    Hooks& hooks_;
    table angles_, stream_, normalized_, contribution_, q_, k_, v_, z_, gate_, up_, result_;
    vector_tensor<T, memory> pattern_;
};

} // namespace engraft::detail
