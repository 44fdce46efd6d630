#pragma once

#include <cstddef>
#include <vector>

#include <engraft/backend/host_slices.hpp>
#include <engraft/core/rounded_product.hpp>

namespace engraft {

/// What adjoints of backends whose memory the host may read do to slices: see `adjoints`. Slices are few beside rows,
/// so one thread does them, in their order.
template <class T>
class host_adjoint_slices {
public:
    using slices = vector_tensor<row_slice, host_memory>;

    void weigh_slices(T* dx, slices const& list, matrix<T const> weights) const {
        each(list, [&](row_slice const& s) {
            for (std::size_t i = 0; i < s.width; ++i)
                dx[s.to + i] *= weights.data[s.head * weights.stride + (weights.columns == 1 ? 0 : i)];
        });
    }

    void reject_slices(T* dx, slices const& list, matrix<T const> basis) const {
        each(list, [&](row_slice const& s) {
            auto const along = products(dx + s.to, s.width, basis);
            for (std::size_t b = 0; b < basis.rows; ++b)
                for (std::size_t i = 0; i < s.width; ++i)
                    dx[s.to + i] -= static_cast<T>(rounded_product(static_cast<double>(static_cast<T>(along[b])),
                                                                   static_cast<double>(basis.data[b * basis.stride + i])));
        });
    }

    template <class F>
    void edit_slices(T* dx, T const* x, int layer, slices const& list, F const& f) const {
        each(list, [&](row_slice const& s) {
            activation_row<T> const gradient(dx + s.to, s.width);
            activation_row<T const> const before(x + s.to, s.width);
            if constexpr (requires { f.derivative(gradient, before, row_place{}); })
                f.derivative(gradient, before, detail::place_of(s, layer));
            else
                f.derivative(gradient, before);
        });
    }

    void sum_elements(double* sums, T const* dx, slices const& list) const {
        each_element(list, [&](row_slice const& s, std::size_t i) { sums[0] += static_cast<double>(dx[s.to + i]); });
    }

    void sum_products(double* sums, T const* dx, T const* x, slices const& list) const {
        each_element(list, [&](row_slice const& s, std::size_t i) {
            if (dx[s.to + i] != 0)
                sums[0] += static_cast<double>(dx[s.to + i]) * static_cast<double>(x[s.to + i]);
        });
    }

    void sum_directions(double* sums, std::size_t, T const* dx, double factor, slices const& list) const {
        each_element(list, [&](row_slice const& s, std::size_t i) {
            sums[s.from + i] += rounded_product(factor, static_cast<double>(dx[s.to + i]));
        });
    }

    void sum_weights(matrix<double> sums, T const* dx, T const* x, T const* from, slices const& list) const {
        each_element(list, [&](row_slice const& s, std::size_t i) {
            if (dx[s.to + i] != 0)
                sums.data[s.head * sums.stride + (sums.columns == 1 ? 0 : i)] +=
                    rounded_product(static_cast<double>(dx[s.to + i]),
                                    static_cast<double>(x[s.to + i]) - static_cast<double>(from[s.from + i]));
        });
    }

    void sum_basis(double* sums, T const* dx, T const* x, T const* from, slices const& list,
                   matrix<T const> basis) const {
        each(list, [&](row_slice const& s) {
            std::vector<T> difference(s.width);
            for (std::size_t i = 0; i < s.width; ++i)
                difference[i] = from[s.from + i] - x[s.to + i];
            auto const of_difference = products(difference.data(), s.width, basis),
                       of_gradient = products(dx + s.to, s.width, basis);
            for (std::size_t b = 0; b < basis.rows; ++b)
                for (std::size_t i = 0; i < s.width; ++i)
                    sums[b * basis.columns + i] +=
                        rounded_product(of_difference[b], static_cast<double>(dx[s.to + i])) +
                        rounded_product(of_gradient[b], static_cast<double>(difference[i]));
        });
    }

private:
    template <class F>
    static void each(slices const& list, F const& f) {
        for (std::size_t n = 0; n < list.size(); ++n)
            f(list.data()[n]);
    }

    template <class F>
    static void each_element(slices const& list, F const& f) {
        each(list, [&](row_slice const& s) {
            for (std::size_t i = 0; i < s.width; ++i)
                f(s, i);
        });
    }

    static std::vector<double> products(T const* x, std::size_t width, matrix<T const> basis) {
        std::vector<double> along(basis.rows);
        for (std::size_t b = 0; b < basis.rows; ++b)
            for (std::size_t i = 0; i < width; ++i)
                along[b] += static_cast<double>(basis.data[b * basis.stride + i]) * static_cast<double>(x[i]);
        return along;
    }
};

} // namespace engraft
