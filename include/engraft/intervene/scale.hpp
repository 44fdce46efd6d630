#pragma once

#include <engraft/intervene/slices.hpp>

namespace engraft {

/// Every element times one number.
struct scaled : operation_in_place {
    double factor = 1;

    explicit scaled(double f) : factor(f) {}

    template <site S, class Binding, class Where>
    scaled bind(Binding const&, Where const&, selection const&) const {
        return *this;
    }

    template <class Backend, class T, class List>
    void operator()(Backend const& backend, T* elements, int, List const& slices) const {
        backend.scale_slices(elements, factor, slices);
    }
};

/// scale(site, where, factor): activations become `factor` times themselves.
template <site S, class Where>
    requires detail::is_where<Where>
auto scale(S, Where where, double factor) {
    return slice_policy<touch::writes, S, Where, scaled>(std::move(where), scaled(factor));
}

} // namespace engraft
