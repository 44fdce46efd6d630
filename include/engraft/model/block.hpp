#pragma once

#include <boost/hana/bool.hpp>
#include <boost/hana/concat.hpp>
#include <boost/hana/filter.hpp>
#include <boost/hana/flatten.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>

#include <engraft/model/hook_point.hpp>
#include <engraft/model/step.hpp>

namespace engraft {

namespace detail {

/// Steps that blocks have under a condition.
template <bool Condition, class... Step>
constexpr auto steps_if(Step... step) {
    if constexpr (Condition)
        return boost::hana::make_tuple(step...);
    else
        return boost::hana::tuple<>();
}

/// Queries, keys and values, from the stream or from its norm.
// [attention]
template <description const& D>
constexpr auto steps_of_attention() {
    namespace s = sites;
    using boost::hana::make_tuple;
    using w = block_weight;
    constexpr bool rope = D.position == position::rope, normed = has_pre_norms(D);
    using in = std::conditional_t<normed, s::normalized1, s::resid_pre>;
    using to_q = steps::map<w::q_map, s::q>;
    using to_k = steps::map<w::k_map, s::k>;
    using to_v = steps::map<w::v_map, s::v>;
    using queries = std::conditional_t<rope, s::rot_q, s::q>;
    using keys = std::conditional_t<rope, s::rot_k, s::k>;
    return boost::hana::flatten(make_tuple(
        steps_if<normed>(steps::norm<s::resid_pre, s::normalized1, w::norm1>()),
        make_tuple(steps::maps<in, to_q, to_k, to_v>()),
        steps_if < D.qk_norm &&
            !D.qk_norm_wide > (steps::norm_heads<s::q, w::q_norm>(), steps::norm_heads<s::k, w::k_norm>()),
        steps_if<D.qk_norm_wide>(steps::norm_in_place<s::q, w::q_norm>(), steps::norm_in_place<s::k, w::k_norm>()),
        steps_if<rope>(steps::rotate<s::q, s::rot_q>(), steps::rotate<s::k, s::rot_k>()),
        make_tuple(steps::attend<queries, keys>(), steps::sum<s::z, s::attn_out, w::o_map>()),
        steps_if<D.post_norms>(steps::norm_in_place<s::attn_out, w::attn_out_norm>()),
        make_tuple(steps::complete<s::attn_out>())));
}
// [/attention]

/// Wraps steps that not all layers have.
template <description const& D, bool Experts, class... Step>
constexpr auto steps_of_layers(Step... step) {
    if constexpr (D.experts > 0 && D.d_mlp > 0)
        return boost::hana::make_tuple(steps::in_layers<Experts, Step>()...);
    else
        return boost::hana::make_tuple(step...);
}

/// One MLP, or the experts that a router chooses; from the stream or from its norm.
template <description const& D, class In>
constexpr auto steps_of_neurons() {
    namespace s = sites;
    using w = block_weight;
    using to_pre = steps::map<w::up_map, s::mlp_pre>;
    using to_gate = steps::map<w::gate_map, s::mlp_gate>;
    using maps = std::conditional_t<is_gated(D.mlp), steps::maps<In, to_pre, to_gate>, steps::maps<In, to_pre>>;
    auto const plain = [] {
        if constexpr (D.d_mlp > 0)
            return steps_of_layers<D, false>(maps(), steps::activate(),
                                             steps::sum<s::mlp_post, s::mlp_out, w::down_map>());
        else
            return boost::hana::tuple<>();
    };
    auto const experts = [] {
        if constexpr (D.experts > 0)
            return steps_of_layers<D, true>(steps::maps<In, steps::map<w::router_map, s::router_logits>>(),
                                            steps::choose(), steps::experts<In>(), steps::weigh<s::mlp_out>());
        else
            return boost::hana::tuple<>();
    };
    return boost::hana::concat(plain(), experts());
}

template <description const& D>
constexpr auto steps_of_mlp() {
    namespace s = sites;
    using boost::hana::make_tuple;
    using w = block_weight;
    constexpr bool normed = has_pre_norms(D);
    using stream = std::conditional_t<D.residual == residual::sequential, s::resid_mid, s::resid_pre>;
    return boost::hana::flatten(make_tuple(steps_if<normed>(steps::norm<stream, s::normalized2, w::norm2>()),
                                           steps_of_neurons<D, std::conditional_t<normed, s::normalized2, stream>>(),
                                           steps_if<D.post_norms>(steps::norm_in_place<s::mlp_out, w::mlp_out_norm>()),
                                           make_tuple(steps::complete<s::mlp_out>())));
}

template <description const& D>
constexpr auto steps_of_block() {
    namespace s = sites;
    using boost::hana::flatten, boost::hana::make_tuple;
    if constexpr (D.mlp == mlp::none)
        return flatten(make_tuple(steps_of_attention<D>(), make_tuple(steps::join<s::resid_post, s::attn_out>())));
    else if constexpr (D.residual == residual::sequential)
        return flatten(make_tuple(steps_of_attention<D>(), make_tuple(steps::join<s::resid_mid, s::attn_out>()),
                                  steps_of_mlp<D>(), make_tuple(steps::join<s::resid_post, s::mlp_out>())));
    else
        return flatten(make_tuple(steps_of_attention<D>(), steps_of_mlp<D>(),
                                  make_tuple(steps::join<s::resid_post, s::attn_out, s::mlp_out>())));
}

template <site... S>
constexpr auto tuple_of(site_list<S...>) {
    return boost::hana::make_tuple(S()...);
}

} // namespace detail

/// A block of a described model: its steps in the order in which a forward pass takes them, as a Hana tuple. Whatever
/// goes through a block goes through these: the forward pass, rows beside a clean run, the way back, plans and their
/// costs. It stands for every layer, and is never multiplied by their number.
template <description const& D>
inline constexpr auto block_steps = detail::steps_of_block<D>();

/// The sites of one block in the order in which a forward pass reaches them, as a Hana tuple of values.
template <description const& D>
inline constexpr auto block_sites = boost::hana::filter(detail::tuple_of(known_sites()), [](auto s) {
    return boost::hana::bool_c < decltype(s)::in_block && has_site<D, decltype(s)> > ;
});

namespace detail {

/// take(step) for each step of a block, in order.
template <description const& D, class Take>
void each_step(Take const& take) {
    boost::hana::unpack(block_steps<D>, [&](auto... step) { (take(step), ...); });
}

/// From the last one to the first.
template <description const& D, class Take>
void each_step_backward(Take const& take) {
    boost::hana::unpack(block_steps<D>, [&](auto... step) {
        [[maybe_unused]] int last = 0;
        static_cast<void>((last = ... = (take(step), 0))); // assignments go from right to left
    });
}

} // namespace detail
} // namespace engraft
