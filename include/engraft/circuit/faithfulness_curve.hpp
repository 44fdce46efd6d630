#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/run/sweep_result.hpp>

namespace engraft {

/// The share of the metric's range, from the corrupted prompts to the clean ones, that a run has:
/// (score - corrupted) / (clean - corrupted). Of a logit difference it is what is called "logit difference recovered".
/// throws bad_input [faithfulness.range] if both ends are equal or a number is NaN
/// source Wang et al. 2023; Mueller et al. 2025 (MIB), section 3.1
double recovered(double score, double clean, double corrupted);

/// The area under straight lines through the points (x, y); x ascends.
/// throws bad_input unless there are as many of both, in order
double area_under(std::vector<double> const& x, std::vector<double> const& y);

/// How faithful circuits of growing size are, as MIB's circuit track measures it.
/// source Mueller et al. 2025, "MIB: A Mechanistic Interpretability Benchmark", section 3.1
struct faithfulness_curve {
    std::vector<double> shares; ///< of all edges or nodes that a circuit keeps, ascending
    std::vector<double> scores; ///< the metric of each circuit, mean over examples
    double clean = 0;           ///< of the whole model
    double corrupted = 0;       ///< of the corrupted prompts

    /// `recovered` of each circuit.
    std::vector<double> faithfulness() const;

    /// The circuit performance ratio: the area under faithfulness over the share that is kept. Larger is better.
    double cpr() const;

    /// The circuit-model distance: the area between faithfulness and 1. Smaller is better; 0 is best.
    double cmd() const;
};

/// The shares at which MIB's circuit track measures.
std::vector<double> mib_shares();

struct circuit_curve_options {
    std::vector<double> shares = mib_shares(); ///< ascending, from 0 to 1
    /// Memory for what runs keep, in bytes; prompts are taken in parts that fit. It changes no result.
    double memory = 1e9;
    /// Where the metrics are read: one position per example, its last one where none is given.
    std::vector<long> read_at{};
    /// Called with the share of the work that is done, from 0 to 1.
    std::function<void(double)> progress{};
};

/// Numbers of the circuits that keep the first `kept[i]` of a ranking.
struct circuit_curves {
    std::vector<double> shares;
    std::vector<std::size_t> kept; ///< of each share: the share of the ranking's size, rounded down
    sweep_result found;            ///< axes [circuit, example]; the clean numbers are the whole model's
    sweep_result corrupted;        ///< axes [circuit (one), example]: of the corrupted prompts

    /// The curve of the first metric, or of the named one. throws bad_input for a metric that was not asked for
    faithfulness_curve curve(std::string const& metric = {}) const;
};

namespace detail {

/// throws bad_input for shares that are not ascending numbers from 0 to 1, or memory that is not above 0
void require_curve(circuit_curve_options const& options);

} // namespace detail
} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/faithfulness_curve.ipp>
#endif
