#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <engraft/run/chunk.hpp>
#include <engraft/run/table_rows.hpp>

namespace engraft::detail {

/// Rows of every step of every layer of a growing chunk, and what its tables take.
class chunk_size {
public:
    chunk_size(description const& d, std::size_t longest, bool lines, bool results)
        : d_(d), longest_(longest), lines_(lines), results_(results), layers_(static_cast<std::size_t>(d.layers)) {}

    void add(case_work const& todo) {
        todo.each([&](std::size_t l, std::size_t, work w) { layers_[l].of(w, [](double& rows) { rows += 1; }); });
        last_ += !todo.empty();
    }

    /// Rows that are read when the layers are done.
    double read() const { return last_; }

    /// Bytes of all tables, each as large as its largest layer needs, and of the lists of rows.
    double bytes(std::size_t of_element) const {
        double const d = d_.d_model, wide = d_.heads * d_.d_head, narrow = d_.kv_heads * d_.d_head;
        table_rows most;
        double listed = 0;
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            auto const& l = layers_[i];
            most.raise_to(l, i + 1 == layers_.size());
            listed += l.all * double(sizeof(planned_row));
            for (auto const& [step, any] : each_step<double>::parts())
                listed += l.*step * double(sizeof(std::uint64_t));
            listed += l.all * double(sizeof(std::uint64_t));
        }
        double const streams = (2 * most.stream + most.gathered + most.normalized) * d;
        double const attention = most.query * wide + 2 * most.keys * narrow + most.z * (wide + d) + most.attn * d;
        double const neurons = most.neurons * d_.d_mlp * (is_gated(d_.mlp) ? 2 : 1) + (most.made + most.onward) * d;
        double const extra = (lines_ ? most.attention * d_.heads * double(longest_) : 0) +
                             (results_ ? 2 * most.results * d_.heads * d + most.results * wide : 0);
        return (streams + attention + neurons + extra + last_ * d) * double(of_element) +
               2 * listed; // which have grown by doubling
    }

private:
    description d_;
    std::size_t longest_;
    bool lines_, results_;
    std::vector<each_step<double>> layers_;
    double last_ = 0;
};

} // namespace engraft::detail
