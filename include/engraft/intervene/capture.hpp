#pragma once

#include <boost/hana/unpack.hpp>

#include <engraft/intervene/policy.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

namespace detail {

template <description D, class Backend, class Cache>
class bound_capture {
public:
    bound_capture(Backend const& backend, Cache& cache) : backend_(&backend), cache_(&cache) {}

    template <site At>
    void apply(hook_point<D, At> const& point, auto view) {
        (*cache_)[At{}].keep(*backend_, point.layer(), view);
    }

private:
    Backend const* backend_;
    Cache* cache_;
};

} // namespace detail

/// Keeps activations of a run as they are when the forward pass is there, after the policies to its left at that site.
/// They are read from what `model.run` returns: `out[z].whole(layer)`. What no capture names is not kept.
template <class Where, site... S>
struct capture_policy {
    using reads = site_list<S...>;
    using writes = site_list<>;
    using captures = site_list<S...>;
    Where where;

    template <description D, class Backend>
    static constexpr void check() {
        (check_where<D, S, Where>(), ...);
        static_assert(std::is_same_v<typename Where::heads_type, axes::every>,
                      "engraft [capture.heads]: capture keeps all heads of a row; leave the heads out of its where");
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        constexpr auto D = Binding::model;
        (run.cache[S{}].prepare(resolve<D, S>(where, run.rows)), ...);
        using cache = std::remove_reference_t<decltype(run.cache)>;
        return detail::bound_capture<D, typename Binding::backend_type, cache>(run.backend, run.cache);
    }
};

/// Keeps the sites' activations of all layers and positions.
template <site... S>
auto capture(S...) {
    return capture_policy<where<>, S...>{};
}

/// Keeps the site's activations of some layers and positions.
template <site S, class Where>
    requires detail::is_where<Where>
auto capture(S, Where where) { return capture_policy<Where, S>{std::move(where)}; }

/// Keeps every site of a list, such as `block_sites<llama_7b>`.
template <class Sites>
    requires(!site<Sites> && requires(Sites const& s) { boost::hana::unpack(s, [](auto...) { return 0; }); })
auto capture(Sites const& list) {
    return boost::hana::unpack(list, [](auto... s) { return capture(s...); });
}

} // namespace engraft
