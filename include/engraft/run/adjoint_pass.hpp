#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/intervene/adjoint.hpp>
#include <engraft/run/adjoint_steps.hpp>
#include <engraft/run/forward.hpp>

namespace engraft::detail {

/// The stream between blocks: [l] as it enters block l, before the policies there, [layers] as it leaves the last one.
template <class B>
using stream_tables = std::vector<matrix_tensor<typename B::value_type, typename B::memory_type>>;

/// Hooks of a forward pass that also keep the stream between blocks, from the first of them that is asked for.
template <description const& D, class B, class Hooks>
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
template <description const& D, class B, class Hooks, class Wanted>
struct block_keeper : kept_block<B> {
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
    using typename kept_block<B>::T, typename kept_block<B>::table;

    B const& backend;
    Hooks& hooks;
    T const* normalized = nullptr; ///< of the pass: attention's output before the norm behind it

    block_keeper(B const& b, Hooks& h) : backend(b), hooks(h) {}

    template <site S>
    void apply(hook_point<D, S> const& point, auto view) {
        if constexpr (std::is_same_v<S, sites::pattern> && Hooks::template touched<S>) {
            auto& made = this->pattern;
            if (made.empty())
                made = vector_tensor<T, typename B::memory_type>(extents<dynamic>(view.size()));
            backend.copy(made.data(), view.data(), view.size());
        }
        if constexpr (Hooks::template touched<S>)
            hooks.apply(point, view);
        if constexpr (std::is_same_v<S, sites::resid_pre>)
            keep(this->stream, view);
        else if constexpr (std::is_same_v<S, sites::resid_mid>)
            keep(this->middle, view);
        else if constexpr (std::is_same_v<S, sites::mlp_pre>)
            keep(this->up, view);
        else if constexpr (std::is_same_v<S, sites::q> && D.qk_norm)
            keep(this->queries, view);
        else if constexpr (std::is_same_v<S, sites::k> && D.qk_norm)
            keep(this->keys, view);
        else if constexpr (std::is_same_v<S, sites::attn_out> && D.post_norms)
            keep(this->attn, decltype(view)(const_cast<T*>(normalized), view.shape()));
    }

private:
    void keep(table& to, auto view) {
        if (to.empty())
            to = table(extents<dynamic, dynamic>(view.shape()[0], view.shape().row_size()));
        backend.copy(to.data(), view.data(), view.size());
    }
};

template <class A, class B>
struct touched_by_either {
    template <class S>
    static constexpr bool touched = A::template touched<S> || B::template touched<S>;
};

/// Takes a gradient from the last block's output down to the lowest block that is asked for: a block is computed again
/// from the stream that entered it, under the same policies, and then gone through from its end to its beginning.
/// Hooks: the policies reversed; Wanted: policies that look at the gradients, each that with respect to the activation
/// as it leaves its site.
/// Rows: as those of the forward pass that is differentiated.
template <description const& D, class B, class Hooks, class Wanted, class Rows = whole_examples>
class adjoint_pass : private adjoint_steps<D, B, Rows> {
    using steps = adjoint_steps<D, B, Rows>;
    using either = touched_by_either<Hooks, Wanted>;
    template <class S>
    using hook = site_if_touched<either, S>;

public:
    using typename steps::memory, typename steps::T, typename steps::table;

    adjoint_pass(B const& backend, weights<D, B> const& w, batch const& tokens, Hooks& hooks, Wanted& wanted,
                 Rows const& seen = {})
        : steps(backend, w, tokens.rows()), hooks_(hooks), wanted_(wanted), keeper_{backend, hooks},
          again_(backend, w, tokens, keeper_, seen) {}

    /// streams: those that enter the blocks from `lowest` on, and the last one. seed: the gradient of the sum of what
    /// is read, with respect to the logits of rows `at` of the batch; [rows of at, vocab] values: the logits of these
    /// rows, as they are read
    void run(stream_tables<B> const& streams, table seed, table const& values, std::vector<std::int32_t> const& at,
             int lowest) {
        steps::begin(again_, keeper_);
        keeper_.normalized = again_.normalized_.data();
        readings(streams.back(), std::move(seed), values, at);
        for (int layer = D.layers; layer-- > lowest;) {
            steps::restore(streams[static_cast<std::size_t>(layer)]);
            auto const& w = w_.blocks[static_cast<std::size_t>(layer)];
            again_.block(layer, w);
            neurons(layer, w);
            attention(layer, w);
        }
        if constexpr (either::template touched<sites::embed> || either::template touched<sites::pos_embed>)
            if (lowest == 0)
                embed();
    }

private:
    using typename steps::block_type;
    using keeper = block_keeper<D, B, Hooks, Wanted>;

    void readings(table const& stream, table seed, table const& values, std::vector<std::int32_t> const& at) {
        table again; // the final norm's output as the policies change it
        if constexpr (Hooks::template touched<sites::final_normalized> || Hooks::template touched<sites::logits>) {
            again = steps::make(D.d_model);
            again_.norm(again, stream, w_.final_norm);
            if constexpr (Hooks::template touched<sites::final_normalized>)
                hooks_.apply(hook_point<D, sites::final_normalized>(0), view_of<sites::final_normalized>(again));
        }
        if constexpr (either::template touched<sites::logits>)
            touched_logits(again, seed, values, at);
        else
            steps::unembed(std::move(seed), values, at);
        pull(hook<sites::final_normalized>(), 0, normalized_);
        steps::final_norm(stream);
    }

    /// As `unembed`, by way of the logits of all rows.
    void touched_logits(table const& again, table const& seed, table const& values,
                        std::vector<std::int32_t> const& at) {
        table logits, capped;
        if constexpr (Hooks::template touched<sites::logits>) {
            logits = steps::logits_of(again);
            if constexpr (D.final_softcap > 0) {
                steps::cap(logits);
                capped = steps::make(D.vocab);
                steps::copy(capped, logits);
            }
            hooks_.apply(hook_point<D, sites::logits>(0), view_of<sites::logits>(logits));
        } else {
            logits = steps::make(D.vocab);
            if constexpr (D.final_softcap > 0) { // of the other rows no gradient comes
                capped = steps::make(D.vocab);
                steps::scatter(capped, values, at);
            }
        }
        steps::scatter(logits, seed, at);
        pull(sites::logits(), 0, logits);
        if constexpr (D.final_softcap > 0)
            steps::uncap(logits, capped);
        steps::linear(normalized_, logits, w_.unembedding);
    }

    /// From the stream behind the block to that behind attention; what attention gets is left in `branch_`.
    void neurons(int layer, block_type const& w) {
        pull(hook<sites::resid_post>(), layer, stream_);
        steps::copy(branch_, stream_);
        pull(hook<sites::mlp_out>(), layer, branch_);
        steps::neurons_of_output(w);
        pull(hook<sites::mlp_post>(), layer, up_);
        steps::activate();
        if constexpr (is_gated(D.mlp))
            pull(hook<sites::mlp_gate>(), layer, gate_);
        pull(hook<sites::mlp_pre>(), layer, up_);
        steps::input_of_neurons(w);
        pull(hook<sites::normalized2>(), layer, normalized_);
        steps::input_of_norm2(w);
        if constexpr (D.residual == residual::sequential) {
            pull(hook<sites::resid_mid>(), layer, stream_);
            steps::copy(branch_, stream_);
        }
    }

    void attention(int layer, block_type const& w) {
        pull(hook<sites::attn_out>(), layer, branch_);
        steps::normalize_attention(w);
        if constexpr (either::template touched<sites::result>) {
            steps::repeat_for_results();
            pull(sites::result(), layer, result_);
        }
        if constexpr (Hooks::template touched<sites::result>)
            steps::z_of_results(w);
        else
            steps::z_of_sum(w);
        pull(hook<sites::z>(), layer, z_);
        if constexpr (either::template touched<sites::scores> || either::template touched<sites::pattern>) {
            steps::mix(layer);
            pull(hook<sites::pattern>(), layer, lines_);
            steps::softmax(layer, Hooks::template touched<sites::pattern>);
            pull(hook<sites::scores>(), layer, lines_);
            steps::score(layer);
        } else {
            steps::attend(layer);
        }
        if constexpr (D.position == position::rope) {
            pull(hook<sites::rot_q>(), layer, q_);
            pull(hook<sites::rot_k>(), layer, k_);
            steps::rotate();
        }
        steps::normalize_queries_and_keys(w);
        pull(hook<sites::q>(), layer, q_);
        pull(hook<sites::k>(), layer, k_);
        pull(hook<sites::v>(), layer, v_);
        steps::input_of_attention(w);
        pull(hook<sites::normalized1>(), layer, normalized_);
        steps::input_of_norm1(w);
        pull(hook<sites::resid_pre>(), layer, stream_);
    }

    void embed() {
        if constexpr (Hooks::template touched<sites::embed> || Hooks::template touched<sites::pos_embed>)
            again_.embed();
        if constexpr (D.position == position::learned) {
            steps::copy(branch_, stream_);
            pull(hook<sites::pos_embed>(), 0, branch_);
        }
        pull(hook<sites::embed>(), 0, stream_);
    }

    using steps::pull;
    /// The gradient is looked at, then goes back through the policies of its site.
    template <site S, class Tensor>
    void pull(S, int layer, Tensor& gradient) {
        hook_point<D, S> const point(layer);
        if constexpr (Wanted::template touched<S>)
            wanted_.apply(point, view_of<S>(gradient));
        if constexpr (Hooks::template touched<S>)
            hooks_.pull_back(a_, point, view_of<S>(gradient));
    }

    template <site S, class Tensor>
    auto view_of(Tensor& x) const {
        return view<T, memory, typename hook_point<D, S>::shape>(x.data(), activation_layout<D, S>(rows_).extent());
    }

    using steps::a_, steps::branch_, steps::gate_, steps::k_, steps::lines_, steps::normalized_, steps::q_,
        steps::result_, steps::rows_, steps::stream_, steps::up_, steps::v_, steps::w_, steps::z_;
    Hooks& hooks_;
    Wanted& wanted_;
    keeper keeper_;
    forward_pass<D, B, keeper, Rows> again_;
};

} // namespace engraft::detail
