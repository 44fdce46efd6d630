#pragma once

#include <boost/hana/bool.hpp>
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

template <description const& D>
constexpr auto steps_of_block() {
    namespace s = sites;
    using boost::hana::make_tuple;
    using w = block_weight;
    constexpr bool rope = D.position == position::rope, gated = is_gated(D.mlp);
    constexpr bool sequential = D.residual == residual::sequential;
    using queries = std::conditional_t<rope, s::rot_q, s::q>;
    using keys = std::conditional_t<rope, s::rot_k, s::k>;
    using before_mlp = std::conditional_t<sequential, s::resid_mid, s::resid_pre>;
    using to_q = steps::map<w::q_map, s::q>;
    using to_k = steps::map<w::k_map, s::k>;
    using to_v = steps::map<w::v_map, s::v>;
    using to_pre = steps::map<w::up_map, s::mlp_pre>;
    using to_gate = steps::map<w::gate_map, s::mlp_gate>;
    return boost::hana::flatten(make_tuple(
        make_tuple(steps::norm<s::resid_pre, s::normalized1, w::norm1>(),
                   steps::maps<s::normalized1, to_q, to_k, to_v>()),
        steps_if<D.qk_norm>(steps::norm_heads<s::q, w::q_norm>(), steps::norm_heads<s::k, w::k_norm>()),
        steps_if<rope>(steps::rotate<s::q, s::rot_q>(), steps::rotate<s::k, s::rot_k>()),
        make_tuple(steps::attend<queries, keys>(), steps::sum<s::z, s::attn_out, w::o_map>()),
        steps_if<D.post_norms>(steps::norm_sum<s::attn_out, w::attn_out_norm>()),
        make_tuple(steps::complete<s::attn_out>()), steps_if<sequential>(steps::join<s::resid_mid, s::attn_out>()),
        make_tuple(steps::norm<before_mlp, s::normalized2, w::norm2>()),
        steps_if<gated>(steps::maps<s::normalized2, to_pre, to_gate>()),
        steps_if<!gated>(steps::maps<s::normalized2, to_pre>()),
        make_tuple(steps::activate(), steps::sum<s::mlp_post, s::mlp_out, w::down_map>()),
        steps_if<D.post_norms>(steps::norm_sum<s::mlp_out, w::mlp_out_norm>()),
        make_tuple(steps::complete<s::mlp_out>()), steps_if<sequential>(steps::join<s::resid_post, s::mlp_out>()),
        steps_if<!sequential>(steps::join<s::resid_post, s::attn_out, s::mlp_out>())));
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
