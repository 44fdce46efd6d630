#pragma once

#include <engraft/intervene/means.hpp>

namespace engraft {

namespace detail {

template <description D, class Backend, site S>
class bound_fill {
public:
    bound_fill(Backend const& backend, double value, slice_lists<Backend> slices)
        : backend_(&backend), value_(value), slices_(std::move(slices)) {}

    void apply(hook_point<D, S> const& point, auto view) {
        if (auto const slices = slices_.at(point.layer()))
            backend_->fill_slices(view.data(), value_, *slices);
    }

private:
    Backend const* backend_;
    double value_;
    slice_lists<Backend> slices_;
};

} // namespace detail

/// Removes activations by setting each of their elements to one number, usually zero.
template <site S, class Where>
struct ablate_policy {
    using reads = site_list<>;
    using writes = site_list<S>;
    using captures = site_list<>;
    Where where;
    double value;

    template <description D, class Backend>
    static constexpr void check() {
        check_where<D, S, Where>();
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        constexpr auto D = Binding::model;
        using backend = typename Binding::backend_type;
        auto const nowhere = [](auto...) { return std::size_t{0}; };
        auto lists = detail::slice_lists<backend>::make(resolve<D, S>(where, run.rows),
                                                        activation_layout<D, S>(run.rows), nowhere);
        return detail::bound_fill<D, backend, S>(run.backend, value, std::move(lists));
    }
};

/// Removes what is particular to the input: activations become their means over other inputs (mean ablation).
template <site S, class Where, class Means>
struct mean_ablate_policy {
    using reads = site_list<>;
    using writes = site_list<S>;
    using captures = site_list<>;
    Where where;
    Means means;

    template <description D, class Backend>
    static constexpr void check() {
        static_assert(Means::model == D && std::is_same_v<typename Means::site_type, S>,
                      "engraft [ablate.means]: these are means of another site or another description; take them of "
                      "this model's runs at this site");
        check_where<D, S, Where>();
        detail::check_source<D, Backend, S, Means>();
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        constexpr auto D = Binding::model;
        using backend = typename Binding::backend_type;
        auto const from = [&](std::size_t example, long position, std::size_t head, std::size_t) {
            auto const distance = run.rows.length(example) - 1 - static_cast<std::size_t>(position);
            if (distance >= means.distances())
                throw bad_input({"engraft [ablate.means]: example ", example, " has a position ", distance,
                                 " before its last, the means reach ", means.distances() - 1,
                                 "; take means over longer examples"});
            return means.offset(distance, head);
        };
        auto chosen = resolve<D, S>(where, run.rows);
        for (auto& place : chosen.places)
            place.source_position = static_cast<long>(place.position);
        auto lists = detail::slice_lists<backend>::make(chosen, activation_layout<D, S>(run.rows), from);
        return detail::bound_overwrite<D, backend, S, Means>(run.backend, means, std::move(lists));
    }
};

/// ablate(site, where): zeros; ablate(site, where, value): that number in every element.
template <site S, class Where>
    requires detail::is_where<Where>
auto ablate(S, Where where, double value = 0) { return ablate_policy<S, Where>{std::move(where), value}; }

/// ablate(site, where, mean(run, site)): the mean at the same layer, head and distance from the last token.
template <site S, class Where, description D, class Backend, site Of>
    requires detail::is_where<Where>
auto ablate(S, Where where, activation_means<D, Backend, Of> const& means) {
    return mean_ablate_policy<S, Where, activation_means<D, Backend, Of>>{std::move(where), means};
}

} // namespace engraft
