#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include <engraft/core/extents.hpp>
#include <engraft/core/integer.hpp>
#include <engraft/core/memory.hpp>

namespace engraft {

/// Contiguous row-major elements that somebody else owns. Copying a view copies no element.
template <class T, memory Memory, class Extents>
class view {
public:
    using value_type = std::remove_const_t<T>;
    using extents_type = Extents;

    view() = default;
    view(T* data, Extents shape) : data_(data), shape_(shape) {}

    template <class U>
        requires(!std::is_const_v<T> && std::is_same_v<U, T const>)
    operator view<U, Memory, Extents>() const { return {data_, shape_}; }

    T* data() const { return data_; }
    Extents const& shape() const { return shape_; }
    std::size_t size() const { return shape_.size(); }

    /// Element at one index per dimension; for memory that the host may read.
    /// throws bad_input when an index is negative or too large
    template <class... Indices>
        requires(Memory::host_accessible && sizeof...(Indices) == Extents::rank)
    T& operator()(Indices... indices) const {
        std::size_t at = 0, d = 0;
        ((at = at * shape_[d] + integer(indices).below(shape_[d], "index"), ++d), ...);
        return data_[at];
    }

private:
    T* data_ = nullptr;
    Extents shape_{};
};

/// A matrix inside a tensor: `rows` rows of `columns` elements, the rows `stride` elements apart.
/// This is what backends compute on; its meaning (heads, neurons, vocabulary) stays in the types above.
template <class T>
struct matrix {
    T* data = nullptr;
    std::size_t rows = 0;
    std::size_t columns = 0;
    std::size_t stride = 0;

    template <class U>
        requires(!std::is_const_v<T> && std::is_same_v<U, T const>)
    operator matrix<U>() const { return {data, rows, columns, stride}; }

    matrix row_range(std::size_t first, std::size_t count) const {
        return {data + first * stride, count, columns, stride};
    }
    matrix column_range(std::size_t first, std::size_t count) const { return {data + first, rows, count, stride}; }
};

/// The view's rows with everything behind the first dimension side by side: z of 53 x 9 x 64 becomes 53 x 576.
template <class T, memory Memory, class Extents>
matrix<T> as_matrix(view<T, Memory, Extents> all) {
    auto const columns = all.shape().row_size();
    return {all.data(), all.shape()[0], columns, columns};
}

/// The view's elements on the host, row-major.
template <class T, memory Memory, class Extents>
std::vector<std::remove_const_t<T>> to_host(view<T, Memory, Extents> const& all) {
    std::vector<std::remove_const_t<T>> elements(all.size());
    Memory::to_host(elements.data(), all.data(), elements.size() * sizeof(T));
    return elements;
}

} // namespace engraft
