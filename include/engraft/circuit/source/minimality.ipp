#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/minimality.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

ENGRAFT_BODY pair_accuracies arranged(pair_accuracies const& from, std::vector<node> order) {
    if (order.size() != from.heads.size())
        throw bad_input({"there are accuracies of ", from.heads.size(), " heads, not of ", order.size()});
    std::vector<std::size_t> places;
    for (auto const head : order) {
        auto const at = std::ranges::find(from.heads, head);
        if (at == from.heads.end() || std::ranges::count(order, head) != 1)
            throw bad_input({"head ", head.layer, ".", head.head, " has no accuracies, or is named twice"});
        places.push_back(static_cast<std::size_t>(at - from.heads.begin()));
    }
    pair_accuracies to{std::move(order), {}};
    for (auto const i : places)
        for (auto const j : places)
            to.values.push_back(from(i, j));
    return to;
}

ENGRAFT_BODY std::size_t partner_count(std::size_t heads, double fraction) {
    if (!(fraction >= 0 && fraction <= 1))
        throw bad_input("the fraction of heads in K must be from 0 to 1");
    // 0.3 x 70 must be 21 although no double is 0.3.
    auto const exact = fraction * static_cast<double>(heads);
    return static_cast<std::size_t>(std::max(0.0, std::ceil(exact - 1e-9 * std::max(1.0, exact))));
}

ENGRAFT_BODY std::vector<std::size_t> partners(pair_accuracies const& accuracies, std::size_t head, std::size_t count) {
    for (std::size_t i = 0; i < accuracies.heads.size(); ++i)
        if (std::isnan(accuracies(i, i)) || std::isnan(accuracies(head, i)))
            throw bad_input({"an accuracy without head ", accuracies.heads[i].layer, '.', accuracies.heads[i].head,
                             " is NaN, so heads have no order"});
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < accuracies.heads.size(); ++i)
        if (i != head)
            others.push_back(i);
    std::ranges::stable_sort(others, std::ranges::greater{},
                             [&](std::size_t i) { return accuracies(i, i) - accuracies(head, i); });
    others.resize(std::min(count, others.size()));
    return others;
}

ENGRAFT_BODY double contribution(double without_k, double without_k_and_v) {
    if (without_k_and_v == 0)
        return without_k == 0 ? 0 : std::numeric_limits<double>::infinity();
    return without_k / without_k_and_v - 1;
}

ENGRAFT_BODY std::vector<node> needed_heads(std::span<minimality_line const> lines, double threshold) {
    if (std::isnan(threshold))
        throw bad_input("the threshold of a head's contribution is NaN; give a number");
    std::vector<node> kept;
    for (auto const& line : lines)
        if (std::isnan(line.contribution()))
            throw bad_input({"the contribution of head ", line.head.layer, '.', line.head.head,
                             " is NaN; its accuracies must be numbers"});
        else if (line.contribution() >= threshold)
            kept.push_back(line.head);
    return kept;
}

ENGRAFT_BODY threshold_range thresholds_that_keep(std::span<minimality_line const> lines, std::span<node const> kept) {
    threshold_range range;
    for (auto const& line : lines) {
        if (std::ranges::find(kept, line.head) != kept.end())
            range.upto = std::min(range.upto, line.contribution());
        else
            range.above = std::max(range.above, line.contribution());
    }
    return range;
}

} // namespace engraft
