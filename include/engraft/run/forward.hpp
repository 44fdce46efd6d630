#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <engraft/intervene/compose.hpp>
#include <engraft/run/forward_steps.hpp>

namespace engraft::detail {

template <description const&, class, class, class, class>
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
/// order of `block_sites`.
template <description const& D, backend B, class Hooks, class Rows = whole_examples>
class forward_pass : private forward_steps<D, B, Rows> {
    using steps = forward_steps<D, B, Rows>;

public:
    using typename steps::memory, typename steps::T, typename steps::table;

    /// lines: the lines of attention to make if hooks touch them; null: all of them
    forward_pass(B const& backend, weights<D, B> const& w, batch const& tokens, Hooks& hooks, Rows const& seen = {},
                 asked_lines const* lines = nullptr)
        : steps(backend, w, tokens, seen), hooks_(hooks), lines_(lines) {}

    /// Runs the first `layers` blocks. Returns the final norm's output, [rows, d_model]; nothing unless all are run.
    table run(int layers = D.layers) {
        steps::make_buffers();
        embed();
        return run_blocks(0, layers);
    }

    /// Runs the blocks from `first` on. stream: as it enters that block, [rows, d_model]
    table run_from(table stream, int first) {
        steps::make_buffers();
        stream_ = std::move(stream);
        return run_blocks(first, D.layers);
    }

private:
    template <description const&, class, class, class, class>
    friend class adjoint_pass; // computes single blocks again, and reads what is left in the buffers
    using typename steps::block_type;
    template <class S>
    using hook = site_if_touched<Hooks, S>;

    table run_blocks(int first, int end) {
        for (int layer = first; layer < end; ++layer)
            block(layer, w_.blocks[static_cast<std::size_t>(layer)]);
        if (end < D.layers)
            return {};
        steps::norm(normalized_, stream_, w_.final_norm);
        at(hook<sites::final_normalized>(), 0, normalized_);
        return std::move(normalized_);
    }

    void embed() {
        steps::embed_tokens();
        at(hook<sites::embed>(), 0, stream_);
        if constexpr (D.position == position::learned) {
            steps::embed_positions();
            at(hook<sites::pos_embed>(), 0, attn_out_);
            steps::add(stream_, attn_out_);
        }
    }

    void block(int layer, block_type const& w) {
        at(hook<sites::resid_pre>(), layer, stream_);
        steps::norm(normalized_, stream_, w.norm1);
        at(hook<sites::normalized1>(), layer, normalized_);
        attention(layer, w);
        at(hook<sites::attn_out>(), layer, attn_out_);
        if constexpr (D.residual == residual::sequential) {
            steps::add(stream_, attn_out_);
            at(hook<sites::resid_mid>(), layer, stream_);
        }
        steps::norm(normalized_, stream_, w.norm2);
        at(hook<sites::normalized2>(), layer, normalized_);
        neurons(layer, w);
        if constexpr (ends_at_neurons<Hooks>)
            return;
        at(hook<sites::mlp_out>(), layer, mlp_out_);
        if constexpr (D.residual == residual::parallel)
            steps::add(stream_, attn_out_);
        steps::add(stream_, mlp_out_);
        at(hook<sites::resid_post>(), layer, stream_);
    }

    void attention(int layer, block_type const& w) {
        steps::linear(q_, normalized_, w.q);
        at(hook<sites::q>(), layer, q_);
        steps::linear(k_, normalized_, w.k);
        at(hook<sites::k>(), layer, k_);
        steps::linear(v_, normalized_, w.v);
        at(hook<sites::v>(), layer, v_);
        steps::normalize_queries_and_keys(w);
        if constexpr (D.position == position::rope) {
            steps::rotate(q_, D.heads);
            at(hook<sites::rot_q>(), layer, q_);
            steps::rotate(k_, D.kv_heads);
            at(hook<sites::rot_k>(), layer, k_);
        }
        if constexpr (Hooks::template touched<sites::scores> || Hooks::template touched<sites::pattern>) {
            static_assert(std::is_same_v<Rows, whole_examples>);
            if (lines_)
                attend_by_lines(layer);
            else
                attend_by_patterns(layer);
        } else {
            steps::attend(layer);
        }
        at(hook<sites::z>(), layer, z_);
        auto& out = steps::sum_heads(w);
        if constexpr (Hooks::template touched<sites::result>)
            results(out, layer, w);
        steps::normalize_attention(w);
    }

    void attend_by_patterns(int layer) {
        steps::score(layer);
        at(hook<sites::scores>(), layer, pattern_);
        steps::softmax(layer);
        at(hook<sites::pattern>(), layer, pattern_);
        steps::mix(layer);
    }

    /// The same to the bit, keeping the lines that are asked for.
    void attend_by_lines(int layer) {
        steps::attend(layer);
        if (!lines_->layers[static_cast<std::size_t>(layer)])
            return;
        steps::score(layer, *lines_);
        at(hook<sites::scores>(), layer, pattern_);
        steps::softmax_lines();
        at(hook<sites::pattern>(), layer, pattern_);
        if constexpr (Hooks::template written<sites::scores> || Hooks::template written<sites::pattern>)
            steps::mix_lines(layer);
    }

    /// Contributions of single heads are computed beside their sum, which changes by what is changed in them: the sum
    /// itself stays the product that it is without hooks.
    void results(table& sum, int layer, block_type const& w) {
        steps::head_results(w);
        if constexpr (Hooks::template written<sites::result>) {
            auto const before = steps::copied_results();
            at(sites::result(), layer, result_);
            steps::add_changed_results(sum, before);
        } else {
            at(sites::result(), layer, result_);
        }
    }

    void neurons(int layer, block_type const& w) {
        if constexpr (is_gated(D.mlp)) {
            steps::linear(gate_, normalized_, w.gate);
            at(hook<sites::mlp_gate>(), layer, gate_);
        }
        steps::linear(up_, normalized_, w.up);
        at(hook<sites::mlp_pre>(), layer, up_);
        steps::activate();
        at(hook<sites::mlp_post>(), layer, up_);
        if constexpr (!ends_at_neurons<Hooks>)
            steps::sum_neurons(w);
    }

    using steps::at;
    template <site S, class Tensor>
    void at(S, int layer, Tensor& activation) {
        using shape = typename hook_point<D, S>::shape;
        auto const extent = [&] {
            if constexpr (S::kind == site_kind::pattern)
                return shape(activation.size());
            else
                return activation_layout<D, S>(rows_).extent();
        }();
        hooks_.apply(hook_point<D, S>(layer), view<T, memory, shape>(activation.data(), extent));
    }

    using steps::attn_out_, steps::gate_, steps::k_, steps::mlp_out_, steps::normalized_, steps::pattern_, steps::q_,
        steps::result_, steps::rows_, steps::stream_, steps::up_, steps::v_, steps::w_, steps::z_;
    Hooks& hooks_;
    asked_lines const* lines_;
};

} // namespace engraft::detail
