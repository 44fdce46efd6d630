#pragma once

#include <cstddef>

#include <engraft/backend/cuda/kernels/adjoint_slices.hpp>
#include <engraft/backend/cuda/launched_slices.hpp>

namespace engraft {

/// What adjoints of backends of kernels do to slices: see `adjoints`; `Launch` is said in `launched`.
template <class T, class Launch>
class launched_adjoint_slices {
public:
    using memory = typename Launch::memory_type;
    using slices = vector_tensor<row_slice, memory>;

    explicit launched_adjoint_slices(Launch launch) : launch_(launch) {}

    void weigh_slices(T* dx, slices const& list, matrix<T const> weights) const {
        launch_.each_warp(list.size(), kernels::weighed_slices<T>{dx, weights, list.data()});
    }

    void reject_slices(T* dx, slices const& list, matrix<T const> basis) const {
        auto const along = products(dx, nullptr, list, basis);
        launch_.each_warp(list.size(), kernels::moved_along<T, double>{dx, along.data(), basis, list.data(), T(-1)});
    }

    template <class F>
    void edit_slices(T* dx, T const* x, int layer, slices const& list, F const& f) const {
        detail::require_kernel<F>();
        launch_.each(list.size(), kernels::edited_slices_back<T, F>{dx, x, layer, list.data(), f});
    }

    void sum_elements(double* sums, T const* dx, slices const& list) const {
        auto const each = within({dx, nullptr, nullptr}, list);
        add_up(sums, 1, kernels::one_sum{each.data()}, list);
    }

    void sum_products(double* sums, T const* dx, T const* x, slices const& list) const {
        auto const each = within({dx, x, nullptr}, list);
        add_up(sums, 1, kernels::one_sum{each.data()}, list);
    }

    void sum_directions(double* sums, std::size_t count, T const* dx, double factor, slices const& list) const {
        add_up(sums, count, kernels::direction_sums<T>{dx, factor}, list);
    }

    void sum_weights(matrix<double> sums, T const* dx, T const* x, T const* from, slices const& list) const {
        kernels::slice_terms<T> const terms{dx, x, from};
        if (sums.columns == 1) {
            auto const each = within(terms, list);
            add_up(sums.data, sums.rows, kernels::head_sums{each.data()}, list);
        } else {
            add_up(sums.data, sums.rows * sums.columns, kernels::element_sums<T>{terms, sums.columns}, list);
        }
    }

    void sum_basis(double* sums, T const* dx, T const* x, T const* from, slices const& list,
                   matrix<T const> basis) const {
        auto const of_difference = products(x, from, list, basis), of_gradient = products(dx, nullptr, list, basis);
        add_up(sums, basis.rows * basis.columns,
               kernels::basis_sums<T>{dx, x, from, of_difference.data(), of_gradient.data(), basis.rows, basis.columns},
               list);
    }

protected:
    Launch const& launch() const { return launch_; }

private:
    using partial_sums = vector_tensor<double, memory>;

    /// The sum of each slice's terms.
    partial_sums within(kernels::slice_terms<T> const& terms, slices const& list) const {
        partial_sums sums{extents<dynamic>(list.size())};
        launch_.each_warp(list.size(), kernels::summed_slices<T>{sums.data(), terms, list.data()});
        return sums;
    }

    partial_sums products(T const* x, T const* from, slices const& list, matrix<T const> basis) const {
        partial_sums along{extents<dynamic>(list.size() * basis.rows)};
        launch_.each_warp(along.size(), kernels::projections<T, double>{along.data(), x, from, basis, list.data()});
        return along;
    }

    template <class Adds>
    void add_up(double* sums, std::size_t count, Adds const& adds, slices const& list) const {
        auto const parts = (list.size() + kernels::slices_together - 1) / kernels::slices_together;
        partial_sums of_parts{extents<dynamic>(parts * count)};
        launch_.each(of_parts.size(), kernels::part_sums<Adds>{of_parts.data(), count, adds, list.data(), list.size()});
        launch_.each(count, kernels::sums_of_parts{sums, of_parts.data(), count, parts});
    }

    Launch launch_;
};

} // namespace engraft
