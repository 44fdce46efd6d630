#pragma once

#include <concepts>
#include <type_traits>

namespace engraft {

/// What an activation is, which decides its shape and what may be done with it.
enum class site_kind {
    stream,            ///< the residual stream itself, [rows, d_model]
    contribution,      ///< something added to the stream, [rows, d_model]
    normalized,        ///< the stream as a block's maps read it, after a norm, [rows, d_model]
    query_head,        ///< one vector per query head, [rows, heads, d_head]
    kv_head,           ///< one vector per key/value head, [rows, kv_heads, d_head]
    pattern,           ///< query position by key position for each query head; as wide as the example is long
    head_contribution, ///< what each query head adds to the stream, [rows, heads, d_model]
    neuron,            ///< inside the MLP, [rows, d_mlp]
    logits,            ///< [rows, vocab]
};

/// A site is a named place where an activation exists; an empty type, so that it can be an argument of a policy.
/// satisfied by the types in namespace `sites`, one per name of the glossary
template <class S>
concept site = std::is_empty_v<S> && requires {
    { S::name } -> std::convertible_to<char const*>;
    { S::kind } -> std::convertible_to<site_kind>;
    { S::in_block } -> std::convertible_to<bool>;
};

/// Satisfied by sites whose activation has a separate slice for each head, so that heads can be chosen there.
template <class S>
concept per_head_site = site<S> &&(S::kind == site_kind::query_head || S::kind == site_kind::kv_head ||
                                   S::kind == site_kind::pattern || S::kind == site_kind::head_contribution);

/// Names follow TransformerLens, without its `hook_` prefix.
namespace sites {

template <site_kind Kind, bool InBlock = true>
struct base {
    static constexpr site_kind kind = Kind;
    static constexpr bool in_block = InBlock;
};

// clang-format off
/// Token embedding. source: Elhage et al. 2021
struct embed            : base<site_kind::contribution, false> { static constexpr char const* name = "embed"; };
/// Position embedding of models that learn one: it is added to the token embedding.
struct pos_embed        : base<site_kind::contribution, false> { static constexpr char const* name = "pos_embed"; };
/// The stream as it enters a block.
struct resid_pre        : base<site_kind::stream>              { static constexpr char const* name = "resid_pre"; };
/// Output of the norm before attention, its weight applied.
struct normalized1      : base<site_kind::normalized>          { static constexpr char const* name = "normalized1"; };
/// Queries, keys and values, before rotary embedding; keys and values are not repeated for grouped queries.
struct q                : base<site_kind::query_head>          { static constexpr char const* name = "q"; };
struct k                : base<site_kind::kv_head>             { static constexpr char const* name = "k"; };
struct v                : base<site_kind::kv_head>             { static constexpr char const* name = "v"; };
/// Queries and keys as the scores are made from them, after their norm, if there is one, and rotary embedding.
struct rot_q            : base<site_kind::query_head>          { static constexpr char const* name = "rot_q"; };
struct rot_k            : base<site_kind::kv_head>             { static constexpr char const* name = "rot_k"; };
/// Scaled products of queries and keys before the softmax; -infinity where a key is not visible.
struct scores           : base<site_kind::pattern>             { static constexpr char const* name = "scores"; };
/// Softmax of the scores: how much a query position attends to each key position.
struct pattern          : base<site_kind::pattern>             { static constexpr char const* name = "pattern"; };
/// Attention output of each query head before the output projection.
struct z                : base<site_kind::query_head>          { static constexpr char const* name = "z"; };
/// z of each head times its slice of the output projection; their sum, with the bias, is attn_out (before its norm,
/// where the model has one).
struct result           : base<site_kind::head_contribution>   { static constexpr char const* name = "result"; };
/// What attention adds to the stream.
struct attn_out         : base<site_kind::contribution>        { static constexpr char const* name = "attn_out"; };
/// The stream between attention and MLP.
struct resid_mid        : base<site_kind::stream>              { static constexpr char const* name = "resid_mid"; };
/// Output of the norm before the MLP, its weight applied.
struct normalized2      : base<site_kind::normalized>          { static constexpr char const* name = "normalized2"; };
/// Output of the gate projection of a gated MLP, before its nonlinearity (`hook_pre` in TransformerLens).
struct mlp_gate         : base<site_kind::neuron>              { static constexpr char const* name = "mlp_gate"; };
/// Output of the up projection; in a gated MLP what the gate multiplies (`hook_pre_linear` in TransformerLens).
struct mlp_pre          : base<site_kind::neuron>              { static constexpr char const* name = "mlp_pre"; };
/// Input of the down projection.
struct mlp_post         : base<site_kind::neuron>              { static constexpr char const* name = "mlp_post"; };
/// What the MLP adds to the stream.
struct mlp_out          : base<site_kind::contribution>        { static constexpr char const* name = "mlp_out"; };
/// The stream as it leaves a block.
struct resid_post       : base<site_kind::stream>              { static constexpr char const* name = "resid_post"; };
/// Output of the final norm.
struct final_normalized : base<site_kind::normalized, false>   { static constexpr char const* name = "final_normalized"; };
/// Scores of the next token over the vocabulary.
struct logits           : base<site_kind::logits, false>       { static constexpr char const* name = "logits"; };
// clang-format on

} // namespace sites

inline constexpr sites::embed embed{};
inline constexpr sites::pos_embed pos_embed{};
inline constexpr sites::resid_pre resid_pre{};
inline constexpr sites::normalized1 normalized1{};
inline constexpr sites::q q{};
inline constexpr sites::k k{};
inline constexpr sites::v v{};
inline constexpr sites::rot_q rot_q{};
inline constexpr sites::rot_k rot_k{};
inline constexpr sites::scores scores{};
inline constexpr sites::pattern pattern{};
inline constexpr sites::z z{};
inline constexpr sites::result result{};
inline constexpr sites::attn_out attn_out{};
inline constexpr sites::resid_mid resid_mid{};
inline constexpr sites::normalized2 normalized2{};
inline constexpr sites::mlp_gate mlp_gate{};
inline constexpr sites::mlp_pre mlp_pre{};
inline constexpr sites::mlp_post mlp_post{};
inline constexpr sites::mlp_out mlp_out{};
inline constexpr sites::resid_post resid_post{};
inline constexpr sites::final_normalized final_normalized{};
inline constexpr sites::logits logits{};

/// A set of sites as a type: what a policy reads or writes, what a cache holds.
template <site... S>
struct site_list {
    template <site Other>
    static constexpr bool contains = (std::is_same_v<S, Other> || ...);
    static constexpr int size = sizeof...(S);
};

/// Every site that a forward pass reaches in models of some description, in its order.
using known_sites =
    site_list<sites::embed, sites::pos_embed, sites::resid_pre, sites::normalized1, sites::q, sites::k, sites::v,
              sites::rot_q, sites::rot_k, sites::scores, sites::pattern, sites::z, sites::result, sites::attn_out,
              sites::resid_mid, sites::normalized2, sites::mlp_gate, sites::mlp_pre, sites::mlp_post, sites::mlp_out,
              sites::resid_post, sites::final_normalized, sites::logits>;

template <class... Lists>
struct joined;
template <>
struct joined<> {
    using type = site_list<>;
};
template <class List>
struct joined<List> {
    using type = List;
};
template <site... A, site... B, class... More>
struct joined<site_list<A...>, site_list<B...>, More...> : joined<site_list<A..., B...>, More...> {};

/// All lists' sites, one list after the other.
template <class... Lists>
using join = typename joined<Lists...>::type;

} // namespace engraft
