#pragma once

#include <cstddef>

#include <engraft/core/tensor.hpp>

namespace engraft::detail {

/// Memory that is used again for each layer's table of one kind.
template <class T, class Memory>
class workspace {
public:
    matrix<T> shaped(std::size_t rows, std::size_t columns) {
        if (rows * columns > elements_.size())
            elements_ = vector_tensor<T, Memory>(extents<dynamic>(rows * columns));
        return {elements_.data(), rows, columns, columns};
    }
    bool holds(T const* data) const { return data && data == elements_.data(); }
    std::size_t bytes() const { return elements_.size() * sizeof(T); }

private:
    vector_tensor<T, Memory> elements_;
};

} // namespace engraft::detail
