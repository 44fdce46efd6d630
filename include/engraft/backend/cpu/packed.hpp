#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft {
namespace detail {

/// A matrix of weights [outputs, inputs] in the order in which products read it: panels of 16 outputs, each
/// [inputs][16], the last one filled up with zeros.
class packed_matrix {
public:
    static constexpr std::size_t panel = 16;

    packed_matrix() = default;

    /// weight: [outputs, inputs]. Its memory is used again: a panel of 16 rows takes the place of these rows.
    packed_matrix(matrix_tensor<float, host_memory> weight, int threads)
        : elements_(std::move(weight)), outputs_(elements_.shape()[0]), inputs_(elements_.shape()[1]) {
        if (outputs_ % panel != 0) {
            matrix_tensor<float, host_memory> filled(extents<dynamic, dynamic>(panels() * panel, inputs_));
            std::fill(std::copy_n(elements_.data(), elements_.size(), filled.data()), filled.data() + filled.size(),
                      0.0f);
            elements_ = std::move(filled);
        }
        parallel_for(threads, panels(), [&](std::size_t p) {
            auto const to = elements_.data() + p * panel_size();
            std::vector<float> const rows(to, to + panel_size());
            for (std::size_t i = 0; i < inputs_; ++i)
                for (std::size_t o = 0; o < panel; ++o)
                    to[i * panel + o] = rows[o * inputs_ + i];
        });
    }

    std::size_t outputs() const { return outputs_; }
    std::size_t inputs() const { return inputs_; }
    std::size_t panels() const { return (outputs_ + panel - 1) / panel; }
    std::size_t panel_size() const { return panel * inputs_; } ///< from one panel to the next
    std::size_t bytes() const { return elements_.size() * sizeof(float); }

    /// Weights of the outputs [16 p, 16 p + 16) for the input i and those behind it.
    float const* at(std::size_t p, std::size_t i) const { return elements_.data() + p * panel_size() + i * panel; }

    float element(std::size_t output, std::size_t input) const { return at(output / panel, input)[output % panel]; }

private:
    matrix_tensor<float, host_memory> elements_;
    std::size_t outputs_ = 0, inputs_ = 0;
};

} // namespace detail

/// y = x W^T + bias as the cpu backend keeps it. The matrix of a checkpoint is not kept beside it.
struct packed_map {
    detail::packed_matrix weight;
    vector_tensor<float, host_memory> bias; ///< [out], or empty

    std::size_t out() const { return weight.outputs(); }
    std::size_t in() const { return weight.inputs(); }
};

} // namespace engraft
