#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <engraft/core/finite.hpp>
#include <engraft/intervene/slices.hpp>

namespace engraft {

/// A direction, times a coefficient, is added.
struct steered {
    static constexpr bool replaces = false;
    template <class Backend>
    static constexpr bool differentiable = true;
    std::vector<double> direction;
    double coefficient = 1;

    void add_to(hasher& h) const { h.add(direction).add(coefficient); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        static_assert(
            S::kind != site_kind::pattern,
            "engraft [steer.pattern]: attention patterns are as wide as their prompt is long; a direction has "
            "one width, so steer at another site");
    }

    /// The parameters are the direction.
    template <class Backend>
    struct bound : without_parameters {
        std::shared_ptr<vector_tensor<typename Backend::value_type, typename Backend::memory_type> const> direction;
        double coefficient;
        bool per_head;

        bound(decltype(direction) d, double c, bool each) : direction(std::move(d)), coefficient(c), per_head(each) {}

        std::size_t from(selection::place const&, std::size_t head, std::size_t width) const {
            return per_head ? head * width : 0;
        }

        template <class T, class List>
        void operator()(Backend const& backend, T* elements, int, List const& slices) const {
            backend.add_slices(elements, direction->data(), coefficient, slices);
        }

        std::size_t sums() const { return direction->size(); }
        void pull_back(Backend const&, auto const& adjoint, auto* dx, auto const*, int, auto const& slices,
                       double* sums) const {
            adjoint.sum_directions(sums, direction->size(), dx, coefficient, slices);
        }
    };

    /// throws bad_input when the direction is as long as neither a head nor a row
    template <site S, class Binding, class Where>
    auto bind(Binding const&, Where const&, selection const&) const {
        using backend = typename Binding::backend_type;
        using T = typename backend::value_type;
        using tensor = vector_tensor<T, typename backend::memory_type>;
        constexpr auto width = site_width<Binding::model, S>;
        constexpr auto heads = static_cast<std::size_t>(site_heads<Binding::model, S>);
        if (direction.size() != width && direction.size() != heads * width)
            throw bad_input(per_head_site<S>
                                ? message({"engraft [steer.width]: the direction has ", direction.size(),
                                           " elements; a row of ", S::name, " has ", heads, " heads of ", width,
                                           ", so give ", width, " elements for every chosen head, or ", heads * width,
                                           " to give each head its own ", width})
                                : message({"engraft [steer.width]: the direction has ", direction.size(),
                                           " elements; a row of ", S::name, " has ", width, ", so give ", width}));
        std::vector<T> const elements(direction.begin(), direction.end());
        return bound<backend>{
            std::make_shared<tensor const>(tensor::from_host(elements, extents<dynamic>(elements.size()))), coefficient,
            direction.size() != width};
    }
};

/// A direction whose length the compiler knows.
template <std::size_t Length>
struct steered_by : steered {
    template <description const& D, class Backend, site S>
    static constexpr void check() {
        steered::check<D, Backend, S>();
        static_assert(
            S::kind == site_kind::pattern || Length == site_width<D, S> ||
                Length == static_cast<std::size_t>(site_heads<D, S>) * site_width<D, S>,
            "engraft [steer.width]: the direction has another length than one head's activation or a row of the site");
    }
};

/// steer(site, where, direction, coefficient): activations become a + coefficient * direction. The direction is as long
/// as one head's activation, or as a whole row's.
/// throws bad_input if a number is not finite; -infinity may be added to logits, which masks them
/// source Turner et al. 2023, "Activation addition"; Rimsky et al. 2024
template <site S, class Where>
    requires detail::is_where<Where>
auto steer(S, Where where, std::vector<double> direction, double coefficient = 1) {
    return slice_policy<touch::writes, S, Where, steered>(
        std::move(where),
        steered{detail::finite(std::move(direction), "steer's direction", S::kind == site_kind::logits),
                detail::finite(coefficient, "steer's coefficient")});
}

/// The same; the compiler checks the length.
template <site S, class Where, std::size_t Length>
    requires detail::is_where<Where>
auto steer(S, Where where, std::array<double, Length> const& direction, double coefficient = 1) {
    return slice_policy<touch::writes, S, Where, steered_by<Length>>(
        std::move(where), steered_by<Length>{{detail::finite(std::vector<double>(direction.begin(), direction.end()),
                                                             "steer's direction", S::kind == site_kind::logits),
                                              detail::finite(coefficient, "steer's coefficient")}});
}

} // namespace engraft
