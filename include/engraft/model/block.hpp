#pragma once

#include <boost/hana/filter.hpp>
#include <boost/hana/integral_constant.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>

#include <engraft/model/hook_point.hpp>

namespace engraft {

/// The sites of one block in the order in which a forward pass reaches them, as a Hana tuple of values. The list stands
/// for every layer: it is never multiplied by the number of layers.
template <description const& D>
inline constexpr auto
    block_sites = boost::hana::filter(boost::hana::make_tuple(resid_pre, normalized1, q, k, v, rot_q, rot_k, scores,
                                                              pattern, z, result, attn_out, resid_mid, normalized2,
                                                              mlp_gate, mlp_pre, mlp_post, mlp_out, resid_post),
                                      [](auto s) { return boost::hana::bool_c<has_site<D, decltype(s)>>; });

} // namespace engraft
