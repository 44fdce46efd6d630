#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include <engraft/model/description.hpp>

namespace engraft {

/// What an activation is, which decides its shape and what may be done with it.
enum class site_kind {
    stream,              ///< the residual stream itself, [rows, d_model]
    contribution,        ///< something added to the stream, [rows, d_model]
    normalized,          ///< the stream as a block's maps read it, after a norm, [rows, d_model]
    query_head,          ///< one vector per query head, [rows, heads, d_head]
    kv_head,             ///< one vector per key/value head, [rows, kv_heads, d_head]
    pattern,             ///< query position by key position for each query head; as wide as the example is long
    head_contribution,   ///< what each query head adds to the stream, [rows, heads, d_model]
    neuron,              ///< inside the MLP, [rows, d_mlp]
    router,              ///< one number per expert, [rows, experts]
    expert_weight,       ///< one number per chosen expert, [rows, experts_per_token]
    expert_contribution, ///< one vector per chosen expert, [rows, experts_per_token, d_model]
    logits,              ///< [rows, vocab]
};

/// Which rows of a layer have an activation where only those are computed that differ from a clean run. A step of a
/// block is needed in the rows that what it makes has.
enum class site_rows {
    stream,     ///< all that take part in the layer
    first_norm, ///< those with keys or a query
    keys,       ///< whose keys and values other rows read
    query,
    attention, ///< whose attention is computed
    z,         ///< the same, and those whose z of the clean run is acted on
    results,   ///< those with contributions of single heads
    onward,    ///< those that leave the layer
    neurons,   ///< whose MLP is computed
    last       ///< behind the blocks: those that are read
};

/// A site is a named place where an activation exists; an empty type, so that it can be an argument of a policy.
/// S::home is the site in whose memory it stands: itself, or one that it replaces.
/// satisfied by the types in namespace `sites`, one per name of the glossary
template <class S>
concept site = std::is_empty_v<S> && requires(description const& d) {
    { S::name } -> std::convertible_to<char const*>;
    { S::kind } -> std::convertible_to<site_kind>;
    { S::rows } -> std::convertible_to<site_rows>;
    { S::in_block } -> std::convertible_to<bool>;
    { S::exists(d) } -> std::convertible_to<bool>;
    typename S::home;
};

/// Satisfied by sites whose activation has a separate slice for each head, so that heads can be chosen there.
template <class S>
concept per_head_site = site<S> &&
    (S::kind == site_kind::query_head || S::kind == site_kind::kv_head || S::kind == site_kind::pattern ||
     S::kind == site_kind::head_contribution || S::kind == site_kind::expert_contribution);

/// Names follow TransformerLens, without its `hook_` prefix.
namespace sites {

template <class S, site_kind Kind, site_rows Rows, class Home = S>
struct base {
    using home = Home;
    static constexpr site_kind kind = Kind;
    static constexpr site_rows rows = Rows;
    static constexpr bool in_block = Rows != site_rows::last;
    static constexpr bool exists(description const&) { return true; }
};
template <class S, site_kind Kind>
struct before_blocks : base<S, Kind, site_rows::stream> {
    static constexpr bool in_block = false;
};
template <class S, site_kind Kind>
struct expert_site : base<S, Kind, site_rows::neurons> {
    static constexpr bool exists(description const& d) { return d.experts > 0; }
};
template <class S, site_kind Kind, site_rows Rows, class Home = S>
struct rotated : base<S, Kind, Rows, Home> {
    static constexpr bool exists(description const& d) { return d.position == position::rope; }
};

// clang-format off
/// Token embedding. source: Elhage et al. 2021
struct embed : before_blocks<embed, site_kind::contribution> { static constexpr char const* name = "embed"; };
/// Position embedding of models that learn one: it is added to the token embedding.
struct pos_embed : before_blocks<pos_embed, site_kind::contribution> {
    static constexpr char const* name = "pos_embed";
    static constexpr bool exists(description const& d) { return d.position == position::learned; }
};
/// The stream as it enters a block.
struct resid_pre : base<resid_pre, site_kind::stream, site_rows::stream> { static constexpr char const* name = "resid_pre"; };
/// Output of the norm before attention, its weight applied.
struct normalized1 : base<normalized1, site_kind::normalized, site_rows::first_norm> {
    static constexpr char const* name = "normalized1";
    static constexpr bool exists(description const& d) { return has_pre_norms(d); }
};
/// Queries, keys and values, before rotary embedding; keys and values are not repeated for grouped queries.
struct q : base<q, site_kind::query_head, site_rows::query> { static constexpr char const* name = "q"; };
struct k : base<k, site_kind::kv_head, site_rows::keys> { static constexpr char const* name = "k"; };
struct v : base<v, site_kind::kv_head, site_rows::keys> { static constexpr char const* name = "v"; };
/// Queries and keys as the scores are made from them, after their norm, if there is one, and rotary embedding.
struct rot_q : rotated<rot_q, site_kind::query_head, site_rows::query, q> { static constexpr char const* name = "rot_q"; };
struct rot_k : rotated<rot_k, site_kind::kv_head, site_rows::keys, k> { static constexpr char const* name = "rot_k"; };
/// Scaled products of queries and keys before the softmax; -infinity where a key is not visible.
struct scores : base<scores, site_kind::pattern, site_rows::attention> { static constexpr char const* name = "scores"; };
/// Softmax of the scores: how much a query position attends to each key position.
struct pattern : base<pattern, site_kind::pattern, site_rows::attention, scores> { static constexpr char const* name = "pattern"; };
/// Attention output of each query head before the output projection.
struct z : base<z, site_kind::query_head, site_rows::z> { static constexpr char const* name = "z"; };
/// z of each head times its slice of the output projection; their sum, with the bias, is attn_out (before its norm,
/// where the model has one).
struct result : base<result, site_kind::head_contribution, site_rows::results> { static constexpr char const* name = "result"; };
/// What attention adds to the stream.
struct attn_out : base<attn_out, site_kind::contribution, site_rows::onward> { static constexpr char const* name = "attn_out"; };
/// The stream between attention and MLP.
struct resid_mid : base<resid_mid, site_kind::stream, site_rows::onward, resid_pre> {
    static constexpr char const* name = "resid_mid";
    static constexpr bool exists(description const& d) { return d.residual == residual::sequential && d.mlp != mlp::none; }
};
/// Output of the norm before the MLP, its weight applied.
struct normalized2 : base<normalized2, site_kind::normalized, site_rows::neurons, normalized1> {
    static constexpr char const* name = "normalized2";
    static constexpr bool exists(description const& d) { return has_pre_norms(d) && d.mlp != mlp::none; }
};
/// Output of the up projection; in a gated MLP what the gate multiplies (`hook_pre_linear` in TransformerLens).
struct mlp_pre : base<mlp_pre, site_kind::neuron, site_rows::neurons> {
    static constexpr char const* name = "mlp_pre";
    static constexpr bool exists(description const& d) { return d.d_mlp > 0; }
};
/// Output of the gate projection of a gated MLP, before its nonlinearity (`hook_pre` in TransformerLens).
struct mlp_gate : base<mlp_gate, site_kind::neuron, site_rows::neurons> {
    static constexpr char const* name = "mlp_gate";
    static constexpr bool exists(description const& d) { return d.d_mlp > 0 && is_gated(d.mlp); }
};
/// Input of the down projection.
struct mlp_post : base<mlp_post, site_kind::neuron, site_rows::neurons, mlp_pre> {
    static constexpr char const* name = "mlp_post";
    static constexpr bool exists(description const& d) { return d.d_mlp > 0; }
};
/// The router's number for each expert. The largest ones are chosen, so holding them at a run's values holds the choice.
struct router_logits : expert_site<router_logits, site_kind::router> {
    static constexpr char const* name = "router_logits";
};
/// What the chosen experts' outputs are multiplied by, in the order of falling router logits.
struct expert_weights : expert_site<expert_weights, site_kind::expert_weight> {
    static constexpr char const* name = "expert_weights";
};
/// Output of each chosen expert before it is weighed, in that order: its "head" 0 is the first choice.
struct expert_out : expert_site<expert_out, site_kind::expert_contribution> {
    static constexpr char const* name = "expert_out";
};
/// What the MLP, or all experts together, add to the stream.
struct mlp_out : base<mlp_out, site_kind::contribution, site_rows::onward> {
    static constexpr char const* name = "mlp_out";
    static constexpr bool exists(description const& d) { return d.mlp != mlp::none; }
};
/// The stream as it leaves a block.
struct resid_post : base<resid_post, site_kind::stream, site_rows::onward, resid_pre> { static constexpr char const* name = "resid_post"; };
/// Output of the final norm.
struct final_normalized : base<final_normalized, site_kind::normalized, site_rows::last, normalized1> { static constexpr char const* name = "final_normalized"; };
/// Scores of the next token over the vocabulary.
struct logits : base<logits, site_kind::logits, site_rows::last> { static constexpr char const* name = "logits"; };
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
inline constexpr sites::mlp_pre mlp_pre{};
inline constexpr sites::mlp_gate mlp_gate{};
inline constexpr sites::mlp_post mlp_post{};
inline constexpr sites::router_logits router_logits{};
inline constexpr sites::expert_weights expert_weights{};
inline constexpr sites::expert_out expert_out{};
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
              sites::resid_mid, sites::normalized2, sites::mlp_pre, sites::mlp_gate, sites::mlp_post,
              sites::router_logits, sites::expert_weights, sites::expert_out, sites::mlp_out, sites::resid_post,
              sites::final_normalized, sites::logits>;

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

namespace detail {
template <site S, site... All>
constexpr int index_in(site_list<All...>) {
    int i = 0, at = -1;
    ((std::is_same_v<S, All> ? void(at = i++) : void(i++)), ...);
    return at;
}
} // namespace detail

/// The number of a site in `known_sites`.
template <site S>
inline constexpr int site_index = detail::index_in<S>(known_sites{});

namespace detail {
template <site... All>
constexpr site_rows nth_rows(int number, site_list<All...>) {
    constexpr site_rows rows[] = {All::rows...};
    return rows[number];
}
} // namespace detail

/// The rows of the site with a number.
constexpr site_rows rows_of_site(int number) { return detail::nth_rows(number, known_sites{}); }

/// A set of sites as a value, by their numbers.
class site_set {
public:
    constexpr site_set() = default;
    template <site... S>
    constexpr site_set(site_list<S...>) : bits_((std::uint64_t(0) | ... | bit(site_index<S>))) {}

    constexpr bool has(int site) const { return (bits_ & bit(site)) != 0; }
    constexpr bool any() const { return bits_ != 0; }
    constexpr void add(int site) { bits_ |= bit(site); }
    /// use(site) for each, in their order.
    constexpr void each(auto const& use) const {
        for (auto rest = bits_; rest != 0; rest &= rest - 1)
            use(std::countr_zero(rest));
    }
    friend constexpr site_set operator|(site_set a, site_set b) { return a.bits_ |= b.bits_, a; }
    friend constexpr site_set operator&(site_set a, site_set b) { return a.bits_ &= b.bits_, a; }

private:
    static constexpr std::uint64_t bit(int site) { return std::uint64_t(1) << site; }
    std::uint64_t bits_ = 0;
};

} // namespace engraft
