#pragma once

// The CUDA backend with products of its own, in any numbers, fp64 too, whose panels are so low that few rows fill one
// and the next is begun.

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include <engraft/backend/cuda/launch.cuh>
#include <engraft/backend/cuda/launched.hpp>

namespace eg = engraft;

struct small_panels : eg::cuda_launches {
    using memory_type = eg::cuda_memory;
    static constexpr std::size_t panel_rows = 4, panels_together = 3;
    static constexpr std::size_t lines_together = 4000; // so few that batches of the tests take several turns

    bool plain_products = false;

    static char const* name() { return "cuda, in small panels"; }

    template <eg::numeric_policy>
    struct product {
        bool is_plain = false;
        bool back = false;
        bool plain() const { return is_plain; }
    };
    template <eg::numeric_policy Numbers, class Storage>
    product<Numbers> prepare(eg::matrix<Storage>, bool back) const {
        return {plain_products, back};
    }

    /// An element of the output, in the order of the input's.
    template <class T, class Storage>
    struct dot_products {
        T* out;
        Storage const* in;
        eg::matrix<Storage const> weight;
        bool back;

        std::size_t width() const { return back ? weight.rows : weight.columns; }
        std::size_t wide() const { return back ? weight.columns : weight.rows; }

        ENGRAFT_DEVICE void operator()(std::size_t i) const {
            auto const [r, o] = eg::kernels::cell_of(i, wide());
            T sum = 0;
            for (std::size_t c = 0; c < width(); ++c) {
                auto const& w = back ? eg::kernels::at(weight, c, o) : eg::kernels::at(weight, o, c);
                sum +=
                    static_cast<T>(eg::kernels::widened(in[r * width() + c])) * static_cast<T>(eg::kernels::widened(w));
            }
            out[i] = sum;
        }
    };

    template <eg::numeric_policy Numbers, class T, class Storage>
    void multiply(T* out, Storage const* in, std::size_t panels, eg::matrix<Storage const> weight,
                  product<Numbers> const& how) const {
        if (panels == 0 || panels > panels_together)
            throw std::runtime_error("a product of none or too many panels");
        if (reinterpret_cast<std::uintptr_t>(in) % 16 != 0 || reinterpret_cast<std::uintptr_t>(out) % 16 != 0)
            throw std::runtime_error("a product of memory that is not aligned");
        dot_products<T, Storage> const all{out, in, weight, how.back};
        each(panels * panel_rows * all.wide(), all);
    }
};

template <eg::numeric_policy Numbers>
using in_small_panels = eg::launched<Numbers, small_panels>;
