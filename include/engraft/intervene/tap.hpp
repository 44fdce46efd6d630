#pragma once

#include <utility>
#include <vector>

#include <engraft/intervene/slices.hpp>

namespace engraft {

/// A user's functor looks at each row, on the host.
template <class F>
struct tapped : operation_in_place {
    F functor;

    explicit tapped(F f) : functor(std::move(f)) {}

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        static_assert(row_functor<F, typename Backend::value_type const>,
                      "engraft [tap.functor]: the functor can't be called with (activation_row<T const>), nor with "
                      "(activation_row<T const>, row_place), T being the backend's numbers");
    }

    template <site S, class Binding, class Where>
    tapped bind(Binding const&, Where const&, selection const&) const {
        return *this;
    }

    template <class Backend, class T, class List>
    void operator()(Backend const&, T* elements, int layer, List const& slices) const {
        std::vector<row_slice> const places = slices.to_host();
        std::vector<T> row;
        for (auto const& s : places) {
            row.resize(s.width);
            Backend::memory_type::to_host(row.data(), elements + s.to, row.size() * sizeof(T));
            detail::call_with_row(functor, activation_row<T const>(row.data(), row.size()), detail::place_of(s, layer));
        }
    }
};

/// tap(site, where, f): calls f(row) or f(row, place) for each chosen row when a forward pass is there, and stores
/// nothing: for sums, extremes and histograms of what would not fit into memory. Rows come on the host and one after
/// the other: by layer, then example, position, head. f keeps its results behind a pointer or reference.
template <site S, class Where, class F>
    requires(detail::is_where<Where> && !element_functor<F>)
auto tap(S, Where where, F f) {
    return slice_policy<touch::reads, S, Where, tapped<F>>(std::move(where), tapped<F>(std::move(f)));
}

} // namespace engraft
