#pragma once

#include <engraft/core/finite.hpp>
#include <engraft/intervene/slices.hpp>

namespace engraft {

/// Every element times one number.
struct scaled : operation_in_place, without_parameters {
    double factor = 1;

    explicit scaled(double f) : factor(f) {}

    void add_to(hasher& h) const { h.add(factor); }

    template <site S, class Binding, class Where>
    scaled bind(Binding const&, Where const&, selection const&) const {
        return *this;
    }

    template <class Backend, class T, class List>
    void operator()(Backend const& backend, T* elements, int, List const& slices) const {
        backend.scale_slices(elements, factor, slices);
    }

    /// The one parameter is the factor.
    static constexpr bool pulls_by_value = true;
    static std::size_t sums() { return 1; }
    template <class Backend>
    void pull_back(Backend const& backend, auto const& adjoint, auto* dx, auto const* x, int, auto const& slices,
                   double* sums) const {
        adjoint.sum_products(sums, dx, x, slices);
        backend.scale_slices(dx, factor, slices);
    }
};

/// scale(site, where, factor): activations become `factor` times themselves.
/// throws bad_input if the factor is not finite
template <site S, class Where>
    requires detail::is_where<Where>
auto scale(S, Where where, double factor) {
    return slice_policy<touch::writes, S, Where, scaled>(std::move(where),
                                                         scaled(detail::finite(factor, "the factor of scale")));
}

} // namespace engraft
