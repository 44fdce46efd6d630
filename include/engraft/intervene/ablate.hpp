#pragma once

#include <type_traits>
#include <utility>

#include <engraft/core/finite.hpp>
#include <engraft/intervene/means.hpp>

namespace engraft {

/// Every element becomes one number.
struct filled : operation_in_place, without_parameters {
    static constexpr bool replaces = true;
    double value = 0;

    explicit filled(double number) : value(number) {}

    void add_to(hasher& h) const { h.add(value); }

    template <site S, class Binding, class Where>
    filled bind(Binding const&, Where const&, selection const&) const {
        return *this;
    }

    template <class Backend, class T, class List>
    void operator()(Backend const& backend, T* elements, int, List const& slices) const {
        backend.fill_slices(elements, value, slices);
    }

    /// The one parameter is the number.
    static std::size_t sums() { return 1; }
    template <class Backend>
    static void pull_back(Backend const& backend, auto const& adjoint, auto* dx, auto const*, int, auto const& slices,
                          double* sums) {
        adjoint.sum_elements(sums, dx, slices);
        backend.fill_slices(dx, 0, slices);
    }
};

/// ablate(site, where): zeros; ablate(site, where, value): that number in every element.
/// throws bad_input if the number is not finite; scores and logits may become -infinity, which masks them
template <site S, class Where>
    requires detail::is_where<Where>
auto ablate(S, Where where, double value = 0) {
    constexpr bool masks = S::kind == site_kind::logits || std::is_same_v<S, sites::scores>;
    return slice_policy<touch::writes, S, Where, filled>(std::move(where),
                                                         filled(detail::finite(value, "the number of ablate", masks)));
}

/// ablate(site, where, mean(run, site)): the mean at the same layer, head and distance from the last token, which
/// removes what is particular to the input.
template <site S, class Where, description const& D, class Backend, site Of>
    requires detail::is_where<Where>
auto ablate(S, Where where, activation_means<D, Backend, Of> const& means) {
    using operation = copied<activation_means<D, Backend, Of>, any_donor>;
    return slice_policy<touch::writes, S, Where, operation>(std::move(where), operation{means});
}

/// ablate(site, where, resample{run, seed}): the values of another example of a run.
template <site S, class Where, source_run Run>
    requires detail::is_where<Where>
auto ablate(S, Where where, resample<Run> const& others) {
    detail::require_holds<Run, S>();
    using operation = copied<resampled_run<S, Run>, any_donor>;
    return slice_policy<touch::writes, S, Where, operation>(std::move(where), operation{{others.run, others.seed}});
}

} // namespace engraft
