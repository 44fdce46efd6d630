#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <engraft/run/chunk.hpp>

namespace engraft::detail {

/// Rows of every step of every layer of a growing chunk, and what its tables take.
class chunk_size {
public:
    chunk_size(description const& d, std::size_t longest, bool lines, bool results)
        : d_(d), longest_(longest), lines_(lines), results_(results), layers_(static_cast<std::size_t>(d.layers)) {}

    void add(std::vector<work> const& todo, std::size_t length) {
        for (std::size_t i = 0; i < todo.size(); ++i)
            if (todo[i] != work::none)
                layers_[i / length].of(todo[i], [](double& rows) { rows += 1; });
        last_ += !todo.empty();
    }

    /// Rows that are read when the layers are done.
    double read() const { return last_; }

    /// Elements of all tables: each as large as its largest layer needs.
    double elements() const {
        each_step<double> most;
        for (auto const& l : layers_)
            most.raise_to(l);
        double const d = d_.d_model, wide = d_.heads * d_.d_head, narrow = d_.kv_heads * d_.d_head;
        double const streams = 2 * most.all * d;
        double const gathered = 2 * std::max({most.first_norm, most.neurons, most.keys, most.query}) * d;
        double const attention = most.query * wide + 2 * most.keys * narrow + most.z * (wide + d) + most.onward * d;
        double const neurons = most.neurons * (d_.d_mlp * (is_gated(d_.mlp) ? 2 : 1) + d) + most.onward * d;
        double const extra = (lines_ ? most.attention * d_.heads * double(longest_) : 0) +
                             (results_ ? 2 * most.results * d_.heads * d : 0);
        return streams + gathered + attention + neurons + extra + last_ * d;
    }

private:
    description d_;
    std::size_t longest_;
    bool lines_, results_;
    std::vector<each_step<double>> layers_;
    double last_ = 0;
};

} // namespace engraft::detail
