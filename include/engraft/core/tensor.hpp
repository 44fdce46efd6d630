#pragma once

#include <cstddef>
#include <limits>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <engraft/core/view.hpp>

namespace engraft {

/// Owns row-major elements in a backend's memory; new elements are uninitialised. Moves, and copies only by `clone`.
template <class T, memory Memory, class Extents>
class tensor {
public:
    using value_type = T;
    using memory_type = Memory;
    using extents_type = Extents;

    tensor() = default;
    explicit tensor(Extents shape) : data_(static_cast<T*>(Memory::allocate(bytes(shape)))), shape_(shape) {}
    tensor(tensor&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), shape_(std::exchange(other.shape_, Extents{})) {}
    tensor& operator=(tensor&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(shape_, other.shape_);
        return *this;
    }
    ~tensor() { Memory::deallocate(data_); }

    static tensor from_host(std::span<T const> elements, Extents shape) {
        tensor t(shape);
        Memory::from_host(t.data_, elements.data(), elements.size_bytes());
        return t;
    }
    std::vector<T> to_host() const {
        std::vector<T> elements(size());
        Memory::to_host(elements.data(), data_, size() * sizeof(T));
        return elements;
    }

    T* data() { return data_; }
    T const* data() const { return data_; }
    Extents const& shape() const { return shape_; }
    std::size_t size() const { return data_ ? shape_.size() : 0; }
    bool empty() const { return size() == 0; }

    engraft::view<T, Memory, Extents> view() { return {data_, shape_}; }
    engraft::view<T const, Memory, Extents> view() const { return {data_, shape_}; }

private:
    static std::size_t bytes(Extents const& shape) {
        std::size_t n = sizeof(T);
        for (std::size_t d = 0; d < Extents::rank; ++d) {
            if (shape[d] != 0 && n > std::numeric_limits<std::size_t>::max() / shape[d])
                throw std::bad_alloc();
            n *= shape[d];
        }
        return n;
    }

    T* data_ = nullptr;
    Extents shape_{};
};

template <class T, memory Memory>
using vector_tensor = tensor<T, Memory, extents<dynamic>>;
template <class T, memory Memory>
using matrix_tensor = tensor<T, Memory, extents<dynamic, dynamic>>;

/// A list of the host in a backend's memory.
template <memory Memory, class T>
vector_tensor<T, Memory> upload(std::vector<T> const& list) {
    return vector_tensor<T, Memory>::from_host(list, extents<dynamic>(list.size()));
}

template <class T, memory Memory, class Extents>
matrix<T> as_matrix(tensor<T, Memory, Extents>& t) {
    return as_matrix(t.view());
}
template <class T, memory Memory, class Extents>
matrix<T const> as_matrix(tensor<T, Memory, Extents> const& t) {
    return as_matrix(t.view());
}

} // namespace engraft
