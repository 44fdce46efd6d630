#pragma once

#include <algorithm>
#include <vector>

#include <engraft/backend/slice.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft {

/// What backends whose memory the host may read do to slices. `Backend` says how `count` tasks of `size` elements that
/// do not depend on each other are run: each_task(count, size, task).
template <class Backend, class T>
class host_slices {
public:
    using slices = vector_tensor<row_slice, host_memory>;

    void copy_slices(T* to, T const* from, slices const& list) const {
        each(list, [&](row_slice const& s) { std::copy_n(from + s.from, s.width, to + s.to); });
    }

    void fill_slices(T* to, double value, slices const& list) const {
        each(list, [&](row_slice const& s) { std::fill_n(to + s.to, s.width, static_cast<T>(value)); });
    }

    void scale_slices(T* x, double factor, slices const& list) const {
        each(list, [&, f = static_cast<T>(factor)](row_slice const& s) {
            for (auto p = x + s.to; p != x + s.to + s.width; ++p)
                *p *= f;
        });
    }

    void add_slices(T* to, T const* from, double factor, slices const& list) const {
        each(list, [&, f = static_cast<T>(factor)](row_slice const& s) {
            for (std::size_t i = 0; i < s.width; ++i)
                to[s.to + i] += f * from[s.from + i];
        });
    }

    void blend_slices(T* to, T const* from, slices const& list, matrix<T const> weights) const {
        each(list, [&](row_slice const& s) {
            for (std::size_t i = 0; i < s.width; ++i) {
                T const w = weights.data[s.head * weights.stride + (weights.columns == 1 ? 0 : i)];
                T& x = to[s.to + i];
                if (w != 1)
                    x = w == 0 ? from[s.from + i] : w * x + (1 - w) * from[s.from + i];
            }
        });
    }

    void project_slices(T* to, T const* from, slices const& list, matrix<T const> basis) const {
        each(list, [&](row_slice const& s) {
            std::vector<T> along(basis.rows);
            for (std::size_t b = 0; b < basis.rows; ++b)
                for (std::size_t i = 0; i < s.width; ++i)
                    along[b] += basis.data[b * basis.stride + i] * (from[s.from + i] - to[s.to + i]);
            for (std::size_t b = 0; b < basis.rows; ++b)
                for (std::size_t i = 0; i < s.width; ++i)
                    to[s.to + i] += along[b] * basis.data[b * basis.stride + i];
        });
    }

    template <class F>
    void edit_slices(T* x, int layer, slices const& list, F const& f) const {
        each(list, [&](row_slice const& s) {
            detail::call_with_row(f, activation_row<T>(x + s.to, s.width), detail::place_of(s, layer));
        });
    }

    template <class F>
    slices select_slices(T const* x, int layer, slices const& list, F const& condition) const {
        std::vector<row_slice> chosen;
        for (std::size_t i = 0; i < list.size(); ++i) {
            auto const& s = list.data()[i];
            if (detail::call_with_row(condition, activation_row<T const>(x + s.to, s.width),
                                      detail::place_of(s, layer)))
                chosen.push_back(s);
        }
        return upload<host_memory>(chosen);
    }

protected:
    template <class Task>
    void each(slices const& list, Task const& task) const {
        std::size_t const width = list.size() > 0 ? list.data()[0].width : 0;
        static_cast<Backend const&>(*this).each_task(list.size(), width, [&](std::size_t i) { task(list.data()[i]); });
    }
};

} // namespace engraft
