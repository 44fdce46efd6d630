#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

#include <boost/hana/concept/foldable.hpp>
#include <boost/hana/unpack.hpp>

#include <engraft/intervene/footprint.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

namespace detail {

template <description const& D, class Backend, class Cache, site... S>
class bound_capture {
public:
    bound_capture(Backend const& backend, Cache& cache, std::array<selection, sizeof...(S)> chosen)
        : backend_(&backend), cache_(&cache), chosen_(std::move(chosen)) {}

    template <site At>
    void apply(hook_point<D, At> const& point, auto view) {
        constexpr bool is_it[] = {std::is_same_v<At, S>...};
        constexpr auto i = static_cast<std::size_t>(std::find(std::begin(is_it), std::end(is_it), true) - is_it);
        cache_->store(At{}).keep(*backend_, point.layer(), view.data(), view.size());
        fired_ += chosen_[i].count(static_cast<std::size_t>(point.layer()));
    }

    std::size_t fired() const { return fired_; }
    std::vector<selection const*> chosen() const {
        std::vector<selection const*> all;
        for (auto const& one : chosen_)
            all.push_back(&one);
        return all;
    }

private:
    Backend const* backend_;
    Cache* cache_;
    std::array<selection, sizeof...(S)> chosen_; ///< of each site
    std::size_t fired_ = 0;
};

} // namespace detail

/// Keeps activations of a run as they are when the forward pass is there, after the policies to its left at that site.
/// They are read from what `model.run` returns: `out[z].whole(layer)`. What no capture names is not kept.
template <class Where, site... S>
struct capture_policy : touches_nothing {
    using reads = site_list<S...>;
    using captures = site_list<S...>;
    Where where;

    explicit capture_policy(Where w) : where(std::move(w)) {}

    template <description const& D, class Backend>
    static constexpr void check() {
        (check_where<D, S, Where>(), ...);
        static_assert(std::is_same_v<typename Where::heads_type, axes::every>,
                      "engraft [capture.heads]: capture keeps all heads of a row; leave the heads out of its where");
        static_assert(detail::is_product<Where>, "engraft [capture.rows]: what capture keeps can't depend on values or "
                                                 "leave single heads out; name layers, positions and examples");
    }

    template <description const& D>
    void leave_footprint(auto& all, ragged const& rows, bool may_do_nothing) const {
        (all.add(site_index<S>, touch::reads, false, site_heads<D, S>, resolve<D, S>(where, rows, may_do_nothing)),
         ...);
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        constexpr auto const& D = Binding::model;
        (run.cache.store(S{}).prepare(resolve<D, S>(where, run.rows, run.may_not_fire), run.template layout<S>()), ...);
        using cache = std::remove_reference_t<decltype(run.cache)>;
        return detail::bound_capture<D, typename Binding::backend_type, cache, S...>(
            run.backend, run.cache, std::array{resolve<D, S>(where, run.rows, run.may_not_fire)...});
    }
};

/// Keeps the sites' activations of all layers and positions.
template <site... S>
    requires(sizeof...(S) > 0)
auto capture(S...) { return capture_policy<where<>, S...>(everywhere); }

/// Keeps the site's activations of some layers and positions.
template <site S, class Where>
    requires detail::is_where<Where>
auto capture(S, Where where) { return capture_policy<Where, S>(std::move(where)); }

/// Keeps every site of a list, such as `block_sites<llama_7b>`.
template <class Sites>
    requires(boost::hana::Foldable<Sites>::value && !std::is_array_v<Sites>)
auto capture(Sites const& list) {
    return boost::hana::unpack(list, [](auto... s) { return capture(s...); });
}

} // namespace engraft
