#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <engraft/backend/cuda/kernels/elements.hpp>
#include <engraft/core/numeric.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft {

/// Matrix products of a backend of kernels: out[r] = in[r] W^T, or, as a `product` made for the way back says, in[r] W.
/// What is multiplied with weights is rounded to how they are stored. `Launch` is said in `launched`.
template <numeric_policy Numbers, class Launch>
class launched_products {
public:
    using T = typename Numbers::compute;
    using storage = typename Numbers::storage;
    using memory = typename Launch::memory_type;
    using product = typename Launch::template product<Numbers>;

    explicit launched_products(Launch const& launch) : launch_(launch) {}

    /// Rows go through in panels of one height, a few panels at a time, so that little is staged; a short last panel is
    /// filled up with zeros.
    void multiply(matrix<T> out, matrix<T const> in, matrix<storage const> weight, product const& how) const {
        if (how.plain()) {
            auto const x = staged(in, in.rows, false);
            if (how.back)
                plain_back(out, x.rows, weight);
            else
                plain(out, x.rows, weight);
            return;
        }
        auto const whole = in.rows / Launch::panel_rows * Launch::panel_rows;
        constexpr auto together = Launch::panels_together * Launch::panel_rows;
        for (std::size_t first = 0; first < whole; first += together) {
            auto const count = std::min(whole - first, together);
            panels(out.row_range(first, count), in.row_range(first, count), weight, how);
        }
        if (whole < in.rows)
            panels(out.row_range(whole, in.rows - whole), in.row_range(whole, in.rows - whole), weight, how);
    }

    /// By engraft's own kernels, of inputs that are staged.
    void plain(matrix<T> out, matrix<storage const> in, matrix<storage const> weight) const {
        kernels::plain_product<storage, T> const kernel{out, in, weight};
        launch_.each(kernel.count(), kernel);
    }
    void plain_back(matrix<T> out, matrix<storage const> in, matrix<storage const> weight) const {
        kernels::plain_product_back<storage, T> const kernel{out, in, weight};
        launch_.each(kernel.count(), kernel);
    }

    /// in, as it is stored for a product; rows that it does not have are 0.
    void convert(matrix<storage> out, matrix<T const> in) const {
        launch_.each(out.rows * out.columns, kernels::staged_rows<storage, T>{out, in});
    }

    /// The input of a product: itself where that can be, otherwise a copy.
    struct input {
        matrix_tensor<storage, memory> owner;
        matrix<storage const> rows;
    };

    /// packed: without gaps between rows, and aligned.
    input staged(matrix<T const> in, std::size_t rows, bool packed) const {
        if constexpr (std::is_same_v<storage, T>)
            if (rows == in.rows && (!packed || is_packed(in)))
                return {{}, in};
        input made{matrix_tensor<storage, memory>(extents<dynamic, dynamic>(rows, in.columns)), {}};
        convert(as_matrix(made.owner), in);
        made.rows = as_matrix(std::as_const(made.owner));
        return made;
    }

private:
    static bool is_packed(matrix<T const> m) {
        return m.stride == m.columns && reinterpret_cast<std::uintptr_t>(m.data) % 16 == 0;
    }

    /// Products of whole panels, or of what is less than one.
    void panels(matrix<T> out, matrix<T const> in, matrix<storage const> weight, product const& how) const {
        constexpr auto tall = Launch::panel_rows;
        auto const count = (in.rows + tall - 1) / tall;
        auto const x = staged(in, count * tall, true);
        if (in.rows == count * tall && is_packed(out)) {
            launch_.multiply(out.data, x.rows.data, count, weight, how);
            return;
        }
        matrix_tensor<T, memory> made(extents<dynamic, dynamic>(count * tall, out.columns));
        launch_.multiply(made.data(), x.rows.data, count, weight, how);
        launch_.each(out.rows * out.columns, kernels::staged_rows<T, T>{out, as_matrix(std::as_const(made))});
    }

    Launch const& launch_;
};

} // namespace engraft
