#pragma once

#include <algorithm>

#include <engraft/core/error.hpp>
#include <engraft/io/arranged_tensor.hpp>
#include <engraft/io/mapped_file.hpp>

namespace engraft {

namespace detail {

inline void release(stored_tensor const& tensor, std::size_t first, std::size_t count) {
    auto const& facts = facts_of(tensor.dtype);
    std::size_t const begin = first / facts.elements * facts.bytes,
                      end = (first + count + facts.elements - 1) / facts.elements * facts.bytes;
    mapped_file::release(tensor.bytes.subspan(begin, std::min(end, tensor.bytes.size()) - begin));
}

} // namespace detail

ENGRAFT_BODY std::vector<std::size_t> arranged_tensor::shape() const {
    auto dimensions = stored->shape;
    if (transposed)
        std::reverse(dimensions.begin(), dimensions.end());
    return dimensions;
}

template <readable_number T>
void read_elements(arranged_tensor const& tensor, std::size_t first, std::span<T> out, std::string const& label,
                   element_check check) {
    constexpr std::size_t piece = 1 << 20; // elements: some MB of file, not to be seen beside the weights
    auto const& stored = *tensor.stored;
    std::size_t const size = stored.size();
    if (first > size || out.size() > size - first)
        throw bad_input({label, ": elements ", first, " to ", first + out.size(),
                         " were asked for, but the tensor of shape ", shape_text(tensor.shape()), " has ", size});
    if (out.empty())
        return; // a tensor without elements may have no rows to divide them by
    std::size_t const columns = stored.shape.empty() ? 1 : stored.shape.size() == 1 ? 1 : size / stored.shape[0];
    if (tensor.transposed) {
        std::size_t const stored_rows = size / columns, step = std::max<std::size_t>(1, piece / columns);
        std::vector<T> some(std::min(step, stored_rows) * columns);
        for (std::size_t begin = 0; begin < stored_rows; begin += step) {
            std::size_t const count = std::min(step, stored_rows - begin);
            auto const part = std::span<T>(some).first(count * columns);
            read_elements(stored, begin * columns, part, label, check);
            for (std::size_t c = 0; c < columns; ++c)
                for (std::size_t r = 0; r < count; ++r)
                    if (std::size_t const at = c * stored_rows + begin + r; at >= first && at - first < out.size())
                        out[at - first] = part[r * columns + c];
        }
    } else if (!tensor.rows.empty()) {
        for (std::size_t at = first; at < first + out.size();) {
            std::size_t const row = at / columns, column = at % columns;
            std::size_t const count = std::min(columns - column, first + out.size() - at);
            read_elements(stored, tensor.rows[row] * columns + column, out.subspan(at - first, count), label, check);
            at += count;
        }
    } else {
        for (std::size_t at = 0; at < out.size(); at += piece) {
            auto const part = out.subspan(at, std::min(piece, out.size() - at));
            read_elements(stored, first + at, part, label, check);
            detail::release(stored, first + at, part.size());
        }
    }
    if (tensor.one_added)
        for (auto& element : out)
            element -= 1;
    detail::release(stored, 0, size);
}

} // namespace engraft
