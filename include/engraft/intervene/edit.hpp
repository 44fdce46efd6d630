#pragma once

#include <engraft/intervene/slices.hpp>

namespace engraft {

/// A user's functor changes each row.
template <class F>
struct edited : operation_in_place, without_parameters {
    F functor;

    /// The functor has f.derivative(gradient, before), or with the place behind, both rows.
    template <class Backend>
    static constexpr bool differentiable = requires(F const& f, activation_row<typename Backend::value_type> gradient,
                                                    activation_row<typename Backend::value_type const> before) {
        f.derivative(gradient, before);
    }
    || requires(F const& f, activation_row<typename Backend::value_type> gradient,
                activation_row<typename Backend::value_type const> before, row_place place) {
        f.derivative(gradient, before, place);
    };
    static constexpr bool pulls_by_value = true;

    explicit edited(F f) : functor(std::move(f)) {}

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        static_assert(row_functor<F, typename Backend::value_type>,
                      "engraft [edit.functor]: the functor can't be called with (activation_row<T>), nor with "
                      "(activation_row<T>, row_place), T being the backend's numbers");
    }

    template <site S, class Binding, class Where>
    edited bind(Binding const&, Where const&, selection const&) const {
        return *this;
    }

    template <class Backend, class T, class List>
    void operator()(Backend const& backend, T* elements, int layer, List const& slices) const {
        backend.edit_slices(elements, layer, slices, functor);
    }

    void pull_back(auto const&, auto const& adjoint, auto* dx, auto const* x, int layer, auto const& slices,
                   double*) const {
        adjoint.edit_slices(dx, x, layer, slices, functor);
    }
};

/// edit(site, where, f): f(row) or f(row, place) changes each chosen row in place; a row is one head's elements where
/// the site is divided into heads. f is const, and called from several threads at once. Gradients can be taken through
/// it where f has f.derivative(gradient, before), or with the place behind: of `gradient`, a row with respect to what f
/// left, it makes in place that with respect to `before`, the row that f found.
template <site S, class Where, class F>
    requires(detail::is_where<Where> && !element_functor<F>)
auto edit(S, Where where, F f) {
    return slice_policy<touch::writes, S, Where, edited<F>>(std::move(where), edited<F>(std::move(f)));
}

} // namespace engraft
