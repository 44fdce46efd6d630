#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include <engraft/backend/cuda/kernels/slices.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft {

namespace detail {

template <class F>
constexpr void require_kernel() {
    static_assert(std::is_trivially_copyable_v<F>,
                  "engraft [cuda.functor]: a functor that a kernel calls is copied to the GPU byte by byte, and this "
                  "one has a member that can't be, such as a vector or a reference to one; give it numbers and "
                  "arrays of its own");
}

} // namespace detail

/// What backends of kernels do to slices. `Backend` has launch(): see `launched`.
template <class Backend, class T, class Launch>
class launched_slices {
public:
    using memory = typename Launch::memory_type;
    using slices = vector_tensor<row_slice, memory>;

    void copy_slices(T* to, T const* from, slices const& list) const {
        launch().each_warp(list.size(), kernels::copied_slices<T>{to, from, list.data()});
    }

    void fill_slices(T* to, double value, slices const& list) const {
        launch().each_warp(list.size(), kernels::filled_slices<T>{to, static_cast<T>(value), list.data()});
    }

    void scale_slices(T* x, double factor, slices const& list) const {
        launch().each_warp(list.size(), kernels::scaled_slices<T>{x, static_cast<T>(factor), list.data()});
    }

    void add_slices(T* to, T const* from, double factor, slices const& list) const {
        launch().each_warp(list.size(), kernels::added_slices<T>{to, from, static_cast<T>(factor), list.data()});
    }

    void blend_slices(T* to, T const* from, slices const& list, matrix<T const> weights) const {
        launch().each_warp(list.size(), kernels::blended_slices<T>{to, from, weights, list.data()});
    }

    void project_slices(T* to, T const* from, slices const& list, matrix<T const> basis) const {
        vector_tensor<T, memory> along{extents<dynamic>(list.size() * basis.rows)};
        launch().each_warp(along.size(), kernels::projections<T>{along.data(), to, from, basis, list.data()});
        launch().each_warp(list.size(), kernels::moved_along<T>{to, along.data(), basis, list.data()});
    }

    template <class F>
    void edit_slices(T* x, int layer, slices const& list, F const& f) const {
        detail::require_kernel<F>();
        launch().each(list.size(), kernels::edited_slices<T, F>{x, layer, list.data(), f});
    }

    /// Waits for the device: how many slices are chosen the host must know.
    template <class F>
    slices select_slices(T const* x, int layer, slices const& list, F const& condition) const {
        detail::require_kernel<F>();
        vector_tensor<std::uint8_t, memory> chosen{extents<dynamic>(list.size())};
        launch().each(list.size(), kernels::tested_slices<T, F>{chosen.data(), x, layer, list.data(), condition});
        auto const found = chosen.to_host();
        std::vector<std::uint32_t> index;
        for (std::size_t i = 0; i < found.size(); ++i)
            if (found[i])
                index.push_back(static_cast<std::uint32_t>(i));
        auto const from = upload<memory>(index);
        slices picked{extents<dynamic>(index.size())};
        launch().each(index.size(), kernels::picked_slices{picked.data(), list.data(), from.data()});
        return picked;
    }

private:
    Launch const& launch() const { return static_cast<Backend const&>(*this).launch(); }
};

} // namespace engraft
