#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/integer.hpp>
#include <engraft/core/linkage.hpp>

/// Which heads a circuit can do without. A head v is judged while some other heads of its group, K, are away as well,
/// so that heads which stand in for each other are seen: v's contribution is
///     accuracy(circuit - K) / accuracy(circuit - K - v) - 1.
/// K are the heads that gain most from v's presence; accuracies without each pair of heads tell.
/// source Prakash et al. 2024, section 4.2 and appendix B
namespace engraft {

/// The accuracy of a circuit without two heads v and w of one group (without one, where v = w).
struct pair_accuracies {
    std::vector<node> heads;
    std::vector<double> values; ///< [heads, heads], row-major and symmetric

    double operator()(std::size_t i, std::size_t j) const { return values[i * heads.size() + j]; }
};

/// The same accuracies with the heads in another order. throws bad_input when it does not name the same heads
pair_accuracies arranged(pair_accuracies const& from, std::vector<node> order);

struct minimality_options {
    double threshold = 0.01; ///< the least contribution that keeps a head
    double fraction = 0.3;   ///< of a group's heads that are in K
};

/// The number of heads in K: fraction x heads, rounded up. (A group of one head has none to put there.)
std::size_t partner_count(std::size_t heads, double fraction);

/// K for head v: the first `count` other heads w by acc(w, w) - acc(v, w), largest first; equal ones in the order of
/// the group. These are indices into `accuracies.heads`.
std::vector<std::size_t> partners(pair_accuracies const& accuracies, std::size_t head, std::size_t count);

/// What a head adds: without_k / without_k_and_v - 1. Infinite where nothing is right without it; 0 where nothing is
/// right either way.
double contribution(double without_k, double without_k_and_v);

/// One head's judgement.
struct minimality_line {
    node head;
    double without_k = 0;
    double without_k_and_v = 0;

    double contribution() const { return engraft::contribution(without_k, without_k_and_v); }
};

/// The heads whose contribution is at least the threshold, in their order.
std::vector<node> needed_heads(std::span<minimality_line const> lines, double threshold);

/// The thresholds that keep exactly some heads: above the largest contribution of the others, up to the smallest
/// of theirs. There is none where `above >= upto`.
struct threshold_range {
    double above = -std::numeric_limits<double>::infinity();
    double upto = std::numeric_limits<double>::infinity();

    bool contains(double threshold) const { return above < threshold && threshold <= upto; }
    bool empty() const { return !(above < upto); }
    /// The thresholds in both ranges.
    threshold_range operator&(threshold_range other) const {
        return {std::max(above, other.above), std::min(upto, other.upto)};
    }
};

threshold_range thresholds_that_keep(std::span<minimality_line const> lines, std::span<node const> kept);

/// Something that measures circuits: called with each, `accuracy(circuit)`; or, where many are measured faster
/// together, with a list, `accuracy(beside, circuits)`, each of which is `beside` without some heads. `mean_ablation`
/// is one.
template <class A>
concept measures_circuits = requires(A const& accuracy, circuit const& c, std::vector<circuit> const& cases) {
    { accuracy(c, cases) } -> std::convertible_to<std::vector<double>>;
}
|| requires(A const& accuracy, circuit const& c) {
    { accuracy(c) } -> std::convertible_to<double>;
};

namespace detail {

template <measures_circuits Accuracy>
std::vector<double> measure(Accuracy const& accuracy, circuit const& beside, std::vector<circuit> const& cases) {
    if constexpr (requires { accuracy(beside, cases); }) {
        return accuracy(beside, cases);
    } else {
        std::vector<double> values;
        for (auto const& c : cases)
            values.push_back(accuracy(c));
        return values;
    }
}

} // namespace detail

/// Accuracies without each pair of a group's heads: n (n + 1) / 2 circuits for n heads.
template <measures_circuits Accuracy>
pair_accuracies measure_pairs(circuit const& c, std::size_t group, Accuracy const& accuracy) {
    auto const& heads = c.groups[integer(group).below(c.groups.size(), "group")].heads;
    std::vector<circuit> cases;
    for (std::size_t i = 0; i < heads.size(); ++i)
        for (std::size_t j = i; j < heads.size(); ++j) {
            cases.push_back(c);
            cases.back().groups[group].heads = heads_not_in(heads, std::vector{heads[i], heads[j]});
        }
    auto const measured = detail::measure(accuracy, c, cases);
    pair_accuracies table{heads, std::vector<double>(heads.size() * heads.size())};
    std::size_t next = 0;
    for (std::size_t i = 0; i < heads.size(); ++i)
        for (std::size_t j = i; j < heads.size(); ++j)
            table.values[i * heads.size() + j] = table.values[j * heads.size() + i] = measured[next++];
    return table;
}

/// Each head of a group judged, by two circuits for each.
template <measures_circuits Accuracy>
std::vector<minimality_line> measure_contributions(circuit const& c, std::size_t group, pair_accuracies const& pairs,
                                                   double fraction, Accuracy const& accuracy) {
    integer(group).below(c.groups.size(), "group");
    std::vector<circuit> cases;
    for (std::size_t i = 0; i < pairs.heads.size(); ++i) {
        std::vector<node> away;
        for (auto const j : partners(pairs, i, partner_count(pairs.heads.size(), fraction)))
            away.push_back(pairs.heads[j]);
        for (bool const and_v : {false, true}) {
            if (and_v)
                away.push_back(pairs.heads[i]);
            cases.push_back(c);
            auto& heads = cases.back().groups[group].heads;
            heads = heads_not_in(heads, away);
        }
    }
    auto const measured = detail::measure(accuracy, c, cases);
    std::vector<minimality_line> lines;
    for (std::size_t i = 0; i < pairs.heads.size(); ++i)
        lines.push_back({pairs.heads[i], measured[2 * i], measured[2 * i + 1]});
    return lines;
}

/// The circuit without the heads that contribute too little. Each group is judged in the whole given circuit, so the
/// order of the groups does not matter.
template <measures_circuits Accuracy>
circuit minimal_circuit(circuit const& c, minimality_options options, Accuracy const& accuracy) {
    circuit minimal = c;
    for (std::size_t g = 0; g < c.groups.size(); ++g) {
        auto const pairs = measure_pairs(c, g, accuracy);
        auto const lines = measure_contributions(c, g, pairs, options.fraction, accuracy);
        minimal.groups[g].heads = needed_heads(lines, options.threshold);
    }
    return minimal;
}

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/minimality.ipp>
#endif
