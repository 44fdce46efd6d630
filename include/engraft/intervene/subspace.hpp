#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <engraft/intervene/donor.hpp>

namespace engraft {

/// a + (b - a) B^T B: what a donor's activation has in the span of an orthonormal basis B.
template <donor Donor>
struct projected {
    static constexpr bool replaces = false;
    template <class Backend>
    static constexpr bool differentiable = true;
    Donor donor;
    std::vector<std::vector<double>> basis;

    void add_to(hasher& h) const { h.add_known(donor).add(basis); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        static_assert(S::kind != site_kind::pattern,
                      "engraft [subspace.pattern]: attention patterns are as wide as their prompt is long; a basis has "
                      "one width, so patch a subspace of another site");
        Donor::template check<D, Backend, S>();
    }

    /// The parameters are the basis, vector after vector.
    template <class Backend, class Bound>
    struct bound : without_parameters {
        Bound donor;
        matrix_tensor<typename Backend::value_type, typename Backend::memory_type> basis;

        bound(Bound d, decltype(basis) b) : donor(std::move(d)), basis(std::move(b)) {}

        std::size_t from(selection::place const& at, std::size_t head, std::size_t width) const {
            return donor.offset(at, head, width);
        }

        template <class T, class List>
        void operator()(Backend const& backend, T* elements, int layer, List const& slices) const {
            backend.project_slices(elements, donor.elements(layer), slices, as_matrix(basis));
        }

        static constexpr bool pulls_by_value = true;
        std::size_t sums() const { return basis.size(); }
        void pull_back(Backend const&, auto const& adjoint, auto* dx, auto const* x, int layer, auto const& slices,
                       double* sums) const {
            adjoint.sum_basis(sums, dx, x, donor.elements(layer), slices, as_matrix(basis));
            adjoint.reject_slices(dx, slices, as_matrix(basis));
        }
    };

    /// throws bad_input when the basis is empty, has another width than a slice, or is not orthonormal to 1e-5
    template <site S, class Binding, class Where>
    auto bind(Binding const& run, Where const&, selection const& chosen) const {
        using backend = typename Binding::backend_type;
        using T = typename backend::value_type;
        constexpr auto width = site_width<Binding::model, S>;
        std::vector<T> elements;
        for (auto const& b : basis) {
            if (b.size() != width)
                throw bad_input({"engraft [subspace.width]: a basis vector has ", b.size(), " elements, a slice of ",
                                 S::name, " has ", width});
            for (double const x : b)
                if (!std::isfinite(x))
                    throw bad_input({"engraft [subspace.orthonormal]: basis vector ", elements.size() / width,
                                     " has a number that is NaN or infinite; give finite ones"});
            elements.insert(elements.end(), b.begin(), b.end());
        }
        if (basis.empty())
            throw bad_input("engraft [subspace.width]: the basis has no vector; leave the policy out if that is meant");
        for (std::size_t i = 0; i < basis.size(); ++i)
            for (std::size_t j = 0; j <= i; ++j) {
                double product = 0;
                for (std::size_t c = 0; c < width; ++c)
                    product += basis[i][c] * basis[j][c];
                if (!(std::abs(product - (i == j)) <= 1e-5))
                    throw bad_input({"engraft [subspace.orthonormal]: the product of basis vectors ", i, " and ", j,
                                     " is not ", i == j ? "1" : "0", "; orthonormalise the basis first"});
            }
        auto from = donor.template bind<Binding::model, S>(run.rows, chosen);
        return bound<backend, decltype(from)>{std::move(from),
                                              matrix_tensor<T, typename backend::memory_type>::from_host(
                                                  elements, extents<dynamic, dynamic>(basis.size(), width))};
    }
};

/// subspace(site, where, basis, source): the activation's part in the span of the basis becomes the source run's; the
/// rest stays (a distributed interchange intervention). Basis vectors are as long as one head's activation, or as a
/// row's where the site has no heads, and orthonormal. source Geiger et al. 2024, "Finding alignments between
/// interpretable causal variables", definition 3.1
template <site S, class Where, source_run Source>
    requires detail::is_where<Where>
auto subspace(S, Where where, std::vector<std::vector<double>> basis, Source const& source) {
    detail::require_holds<Source, S>();
    using operation = projected<from_run<S, Source>>;
    return slice_policy<touch::writes, S, Where, operation>(std::move(where), operation{{source}, std::move(basis)});
}

} // namespace engraft
