#pragma once

#include <type_traits>

#include <engraft/intervene/capture.hpp>
#include <engraft/intervene/compose.hpp>

namespace engraft {

namespace detail {
/// What rows of cases take from the clean run; of keys what scores are made of.
template <description const& D>
using sites_for_sweeps =
    join<site_list<sites::resid_pre, std::conditional_t<D.position == position::rope, sites::rot_k, sites::k>, sites::v,
                   sites::z, sites::attn_out>,
         std::conditional_t<has_site<D, sites::mlp_out>, site_list<sites::mlp_out>, site_list<>>>;

template <site... S>
auto capture_all(site_list<S...>) {
    return capture(S{}...);
}
template <class Clean, site... S>
constexpr bool holds_all(site_list<S...>) {
    return (Clean::template holds<S> && ...);
}
} // namespace detail

/// What a clean run must have captured so that sweeps can be computed beside it:
///
///     auto const clean = model.run(tokens, capture_for_sweeps<D>());
template <description const& D>
auto capture_for_sweeps() {
    return detail::capture_all(detail::sites_for_sweeps<D>{});
}

} // namespace engraft
