#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <engraft/backend/expert_choice.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft {

/// What backends whose memory the host may read do for experts; `Backend` as in host_slices.
template <class Backend, class T>
class host_experts {
public:
    using indices = vector_tensor<std::int32_t, host_memory>;

    void largest_columns(indices& chosen, matrix<T const> in) const {
        each_row(in.rows, chosen, [&](std::size_t r, std::size_t count) {
            detail::choose_largest(chosen.data() + r * count, count, in.data + r * in.stride, in.columns);
        });
    }

    void expert_weights(matrix<T> out, matrix<T const> in, indices const& chosen, bool among_chosen) const {
        each_row(out.rows, chosen, [&](std::size_t r, std::size_t count) {
            detail::weigh_chosen(out.data + r * out.stride, in.data + r * in.stride, in.columns,
                                 chosen.data() + r * count, count, among_chosen);
        });
    }

private:
    template <class Task>
    void each_row(std::size_t rows, indices const& chosen, Task const& task) const {
        if (rows == 0)
            return;
        std::size_t const count = chosen.size() / rows;
        static_cast<Backend const&>(*this).each_task(rows, 64, [&](std::size_t r) { task(r, count); });
    }
};

/// The same backwards, on the host's one thread: a row has few logits.
template <class T>
void expert_weights_back(matrix<T> dlogits, matrix<T const> dweights, matrix<T const> in,
                         vector_tensor<std::int32_t, host_memory> const& chosen, bool among_chosen) {
    std::size_t const count = dweights.columns;
    for (std::size_t r = 0; r < in.rows; ++r)
        detail::weigh_chosen_back(dlogits.data + r * dlogits.stride, dweights.data + r * dweights.stride,
                                  in.data + r * in.stride, in.columns, chosen.data() + r * count, count, among_chosen);
}

} // namespace engraft
