#pragma once

#include <engraft/model/site.hpp>

namespace engraft {

/// The weights of a block, by name: see `block_weights`.
enum class block_weight {
    norm1,
    q_map,
    k_map,
    v_map,
    q_norm,
    k_norm,
    o_map,
    attn_out_norm,
    norm2,
    gate_map,
    up_map,
    down_map,
    router_map,
    mlp_out_norm
};

/// The operations that blocks are made of. Each says what it reads and writes, which weights it takes, and, by the rows
/// that what it writes has, where it is needed. A type without values: passes have a function for each.
namespace steps {

/// To = the norm of From.
template <site From, site To, block_weight Norm>
struct norm {};

/// To = From W^T + bias
template <block_weight W, site To>
struct map {};
/// Maps that read the same.
template <site From, class... Map>
struct maps {};

/// Each head of S passes an RMS norm, in place.
template <site S, block_weight Norm>
struct norm_heads {};

/// To = From, turned by its position.
template <site From, site To>
struct rotate {};

/// z from queries, keys and `v`, by way of `scores` and `pattern` where these are touched.
template <site Queries, site Keys>
struct attend {};

/// To = f(pre), or f(gate) times pre: the MLP's nonlinearity.
struct activate {};

/// The experts with the largest router logits are chosen, and `expert_weights` made of these.
struct choose {};

/// expert_out: the chosen experts' MLPs of From.
template <site From>
struct experts {};

/// To = the sum of the chosen experts' outputs, each times its weight.
template <site To>
struct weigh {};

/// A step of layers that have experts, or of those that have not, where a model has both.
template <bool Experts, class Step>
struct in_layers {};

/// What all heads of From, or all neurons, add to the stream together: To = From W^T + bias. Of heads, `result` has the
/// parts.
template <site From, site To, block_weight W>
struct sum {};

/// A whole row passes a norm, in place.
template <site S, block_weight Norm>
struct norm_in_place {};

/// What is added to the stream is all there. Beside a clean run, rows that were not computed are the clean run's.
template <site S>
struct complete {};

/// To = the stream with all parts in it.
template <site To, site... Part>
struct join {};

} // namespace steps
} // namespace engraft
