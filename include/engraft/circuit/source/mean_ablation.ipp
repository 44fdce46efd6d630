#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <engraft/circuit/circuit_case.hpp>
#include <engraft/circuit/mean_ablation.hpp>
#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/run/divergence.hpp>
#include <engraft/run/sweep.hpp>

namespace engraft {

ENGRAFT_BODY std::vector<double> mean_over_examples(sweep_result const& found, std::string const& metric) {
    auto const& values = metric.empty() ? found.of() : found.of(metric);
    auto const examples = found.axes().back().size;
    std::vector<double> means(values.size() / examples);
    for (std::size_t i = 0; i < values.size(); ++i)
        means[i / examples] += values[i] / static_cast<double>(examples);
    return means;
}

} // namespace engraft
