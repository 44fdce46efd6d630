#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include <engraft/circuit/faithfulness_curve.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

ENGRAFT_BODY double recovered(double score, double clean, double corrupted) {
    if (std::isnan(score) || std::isnan(clean) || std::isnan(corrupted) || clean == corrupted)
        throw bad_input("engraft [faithfulness.range]: the metric is the same for clean and corrupted prompts, or is "
                        "not a number, so no share of their difference can be recovered; take another metric or "
                        "prompts that the model tells apart");
    return (score - corrupted) / (clean - corrupted);
}

ENGRAFT_BODY double area_under(std::vector<double> const& x, std::vector<double> const& y) {
    if (x.size() != y.size() || !std::ranges::is_sorted(x))
        throw bad_input(
            {"an area has as many x as y, with ascending x; ", x.size(), " x and ", y.size(), " y were given"});
    double area = 0;
    for (std::size_t i = 1; i < x.size(); ++i)
        area += (x[i] - x[i - 1]) * ((y[i - 1] + y[i]) / 2);
    return area;
}

ENGRAFT_BODY std::vector<double> faithfulness_curve::faithfulness() const {
    std::vector<double> all;
    for (double const score : scores)
        all.push_back(recovered(score, clean, corrupted));
    return all;
}

ENGRAFT_BODY double faithfulness_curve::cpr() const { return area_under(shares, faithfulness()); }

ENGRAFT_BODY double faithfulness_curve::cmd() const {
    auto distance = faithfulness();
    for (double& f : distance)
        f = std::abs(1 - f);
    return area_under(shares, distance);
}

ENGRAFT_BODY std::vector<double> mib_shares() { return {.001, .002, .005, .01, .02, .05, .1, .2, .5, 1}; }

ENGRAFT_BODY faithfulness_curve circuit_curves::curve(std::string const& metric) const {
    auto const& name = metric.empty() ? found.metrics().front() : metric;
    auto const mean = [](std::vector<double> const& values, std::size_t first, std::size_t count) {
        auto const from = values.begin() + static_cast<std::ptrdiff_t>(first);
        return std::accumulate(from, from + static_cast<std::ptrdiff_t>(count), 0.0) / static_cast<double>(count);
    };
    auto const examples = found.clean().size();
    faithfulness_curve made{shares, {}, mean(found.clean(name), 0, examples), mean(corrupted.of(name), 0, examples)};
    for (std::size_t i = 0; i < shares.size(); ++i)
        made.scores.push_back(mean(found.of(name), i * examples, examples));
    return made;
}

} // namespace engraft

namespace engraft::detail {

ENGRAFT_BODY void require_curve(circuit_curve_options const& options) {
    for (std::size_t i = 0; i < options.shares.size(); ++i)
        if (!(options.shares[i] >= 0 && options.shares[i] <= 1) || (i > 0 && options.shares[i] < options.shares[i - 1]))
            throw bad_input({"engraft [faithfulness.shares]: share ", i, " of the curve is below the one before it or ",
                             "outside of 0 to 1; give ascending shares of the edges or nodes that circuits keep"});
    if (!(options.memory > 0))
        throw bad_input("circuit_curve_options::memory is not above 0; give a number of bytes");
}

} // namespace engraft::detail
