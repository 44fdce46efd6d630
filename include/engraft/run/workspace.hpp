#pragma once

#include <algorithm>
#include <cstddef>

#include <engraft/core/tensor.hpp>

namespace engraft::detail {

/// Memory that is used again for each layer's table of one kind.
template <class T, class Memory>
class workspace {
public:
    /// The next table that does not fit gets as many rows: those of the largest layer to come.
    void expect(std::size_t rows) { rows_ = rows; }
    /// With the last one's columns: none before there was any.
    std::size_t expected_bytes() const { return rows_ * columns_ * sizeof(T); }
    /// Frees what is larger than expected; no table is valid then.
    void give_back_excess() {
        if (rows_ * columns_ < elements_.size())
            elements_ = {};
    }

    /// A table of any content.
    matrix<T> shaped(std::size_t rows, std::size_t columns) {
        if (rows * columns > elements_.size()) {
            elements_ = {}; // before there is the next one
            columns_ = columns;
            elements_ = vector_tensor<T, Memory>(extents<dynamic>(std::max(rows, rows_) * columns));
        }
        return {elements_.data(), rows, columns, columns};
    }
    bool holds(T const* data) const { return data && data == elements_.data(); }
    std::size_t bytes() const { return elements_.size() * sizeof(T); }

private:
    vector_tensor<T, Memory> elements_;
    std::size_t rows_ = 0, columns_ = 0;
};

} // namespace engraft::detail
