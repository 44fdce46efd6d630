#pragma once

#include <engraft/intervene/patch.hpp>

namespace engraft {

/// Two models' hook points that fit into each other: as many heads, and slices of the same width.
template <class Target, class Source>
concept same_shape = std::is_same_v<typename Target::shape, typename Source::shape> && Target::heads == Source::heads;

/// Replaces activations by those of another model's run (cross-model activation patching, CMAP).
/// source Prakash et al. 2024, section 6.1
template <site S, class Where, source_run Source>
struct swap_policy {
    using reads = site_list<>;
    using writes = site_list<S>;
    using captures = site_list<>;
    Where where;
    Source source;

    template <description D, class Backend>
    static constexpr void check() {
        check_where<D, S, Where>();
        static_assert(
            has_site<Source::model, S> && same_shape<hook_point<D, S>, hook_point<Source::model, S>>,
            "engraft [swap.same_shape]: the site has another shape in the source's model than in the target's; "
            "swap needs models that share this site's shape");
        detail::check_source<D, Backend, S, Source>();
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        return detail::bind_overwrite<S>(run, where, source);
    }
};

/// swap(site, where, source): as `patch`, with `source` a run of another model, usually on the same tokens.
template <site S, class Where, source_run Source>
auto swap(S, Where where, Source const& source) {
    detail::require_holds<Source, S>();
    return swap_policy<S, Where, Source>{std::move(where), source};
}

} // namespace engraft
