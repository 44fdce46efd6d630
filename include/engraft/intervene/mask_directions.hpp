#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/core/rounded_product.hpp>
#include <engraft/intervene/subspace.hpp>

namespace engraft {

/// a + sum over i of (1 - w_i) u_i u_i^T (b - a), u_i the vectors of an orthonormal basis.
template <donor Donor>
struct blended_directions {
    static constexpr bool replaces = false;
    template <class Backend>
    static constexpr bool differentiable = true;
    projected<Donor> whole;
    std::vector<double> weights;

    void add_to(hasher& h) const { h.add_known(whole).add(weights); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        projected<Donor>::template check<D, Backend, S>();
    }

    template <class Backend, class Bound>
    struct bound {
        using table = matrix_tensor<typename Backend::value_type, typename Backend::memory_type>;
        Bound whole;  ///< the exchange of the whole span
        table scaled; ///< sqrt(1 - w_i) u_i: projected on these, b - a is what the weights let through
        std::vector<std::vector<double>> basis;

        std::size_t from(selection::place const& at, std::size_t head, std::size_t width) const {
            return whole.from(at, head, width);
        }

        template <class T, class List>
        void operator()(Backend const& backend, T* elements, int layer, List const& slices) const {
            backend.project_slices(elements, whole.donor.elements(layer), slices, as_matrix(scaled));
        }

        static constexpr bool pulls_by_value = true;
        std::size_t sums() const { return scaled.size(); }
        void pull_back(Backend const&, auto const& adjoint, auto* dx, auto const* x, int layer, auto const& slices,
                       double* sums) const {
            adjoint.sum_basis(sums, dx, x, whole.donor.elements(layer), slices, as_matrix(whole.basis));
            adjoint.reject_slices(dx, slices, as_matrix(scaled));
        }
        /// What `sum_basis` finds of u is (u . (b - a)) dx + (u . dx) (b - a); along u that is twice their product.
        std::vector<double> parameters(std::vector<double> const& sums) const {
            std::vector<double> of_weights(basis.size());
            for (std::size_t i = 0; i < basis.size(); ++i)
                for (std::size_t c = 0; c < basis[i].size(); ++c)
                    of_weights[i] -= rounded_product(basis[i][c], sums[i * basis[i].size() + c]) / 2;
            return of_weights;
        }
    };

    /// throws bad_input when there are not as many weights as basis vectors, when one is not in [0, 1], and as
    /// `subspace`
    template <site S, class Binding, class Where>
    auto bind(Binding const& run, Where const& where, selection const& chosen) const {
        using backend = typename Binding::backend_type;
        using T = typename backend::value_type;
        auto all = whole.template bind<S>(run, where, chosen);
        if (weights.size() != whole.basis.size())
            throw bad_input({"engraft [mask.weights]: ", weights.size(), " weights are given for ", whole.basis.size(),
                             " basis vectors; each needs one"});
        std::vector<T> scaled;
        for (std::size_t i = 0; i < weights.size(); ++i) {
            if (!(weights[i] >= 0 && weights[i] <= 1))
                throw bad_input({"engraft [mask.weights]: weight ", i, " of a basis vector is not from 0 to 1"});
            for (double const c : whole.basis[i])
                scaled.push_back(static_cast<T>(std::sqrt(1 - weights[i]) * c));
        }
        using tensor = matrix_tensor<T, typename backend::memory_type>;
        return bound<backend, decltype(all)>{
            std::move(all),
            tensor::from_host(scaled, extents<dynamic, dynamic>(weights.size(), whole.basis.front().size())),
            whole.basis};
    }
};

/// mask_directions(site, where, basis, weights, source): along each vector of an orthonormal basis the activation a
/// becomes w a + (1 - w) b, b the source run's; what is not in their span stays. All slices that `where` names have the
/// same basis and weights, which are from 0 to 1. source Davies et al. 2023 for masks; Geiger et al. 2024 for subspaces
template <site S, class Where, source_run Source>
    requires detail::is_where<Where>
auto mask_directions(S, Where where, std::vector<std::vector<double>> basis, std::vector<double> weights,
                     Source const& source) {
    detail::require_holds<Source, S>();
    using operation = blended_directions<from_run<S, Source>>;
    return slice_policy<touch::writes, S, Where, operation>(
        std::move(where), operation{{{source}, std::move(basis)}, std::move(weights)});
}

/// The same with another donor, such as `picked`.
template <site S, class Where, donor Donor>
    requires detail::is_where<Where>
auto mask_directions(S, Where where, std::vector<std::vector<double>> basis, std::vector<double> weights,
                     Donor const& donor) {
    using operation = blended_directions<Donor>;
    return slice_policy<touch::writes, S, Where, operation>(std::move(where),
                                                            operation{{donor, std::move(basis)}, std::move(weights)});
}

} // namespace engraft
