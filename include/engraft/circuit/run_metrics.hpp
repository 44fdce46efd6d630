#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/run/divergence.hpp>
#include <engraft/run/logit_rows.hpp>
#include <engraft/run/metric.hpp>

namespace engraft::detail {

/// A metric of each example of a finished run, one row of logits per example.
/// clean: logarithms of the probabilities from which kl_to_clean is a divergence, of each example
/// throws bad_input [logits.finite] where a row can't be read
template <class Backend>
std::vector<double> read_metric(metric const& m, logit_rows<Backend> const& rows,
                                std::vector<std::vector<double>> const& clean) {
    using kind = metric::kind;
    std::vector<double> values;
    if (m.of == kind::probability)
        return rows.probability(m.tokens);
    if (m.of == kind::accuracy) {
        rows.require_one_per_row(m.tokens);
        auto const top = rows.top();
        for (std::size_t r = 0; r < top.size(); ++r)
            values.push_back(top[r] == m.tokens[r]);
        return values;
    }
    if (m.of == kind::kl_to_clean || m.of == kind::functor) {
        std::vector<double> row;
        auto const all = rows.values().to_host();
        auto const width = all.size() / rows.rows();
        for (std::size_t r = 0; r < rows.rows(); ++r) {
            row.assign(all.begin() + static_cast<std::ptrdiff_t>(r * width),
                       all.begin() + static_cast<std::ptrdiff_t>((r + 1) * width));
            values.push_back(m.of == kind::functor ? m.f(row, r) : kl_divergence(clean[r], log_softmax(row)));
            if (std::isnan(values.back()))
                refuse_logits(r);
        }
        return values;
    }
    values = rows.of(m.tokens);
    auto const less = m.of == kind::logit_difference  ? rows.of(m.others)
                      : m.of == kind::log_probability ? rows.log_sum_exp()
                                                      : std::vector<double>(values.size());
    for (std::size_t r = 0; r < values.size(); ++r)
        values[r] -= less[r];
    return values;
}

/// The logarithms of the probabilities of each row's tokens.
template <class Backend>
std::vector<std::vector<double>> log_probabilities(logit_rows<Backend> const& rows) {
    std::vector<std::vector<double>> of_rows;
    auto const all = rows.values().to_host();
    auto const width = all.size() / rows.rows();
    for (std::size_t r = 0; r < rows.rows(); ++r)
        of_rows.push_back(log_softmax(std::span(all).subspan(r * width, width)));
    return of_rows;
}

} // namespace engraft::detail
