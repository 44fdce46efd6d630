#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>

/// From path patching's scores to the heads of a circuit's groups.
/// source Prakash et al. 2024, section 4.1
namespace engraft {

/// All heads by score, lowest (most negative: most harm done by the patch) first; equal scores by layer, then head.
/// shape of `table`: [layers, heads], row-major. throws bad_input when it is not, or a score is NaN
inline std::vector<node> ranked_heads(std::span<double const> table, int heads) {
    if (heads < 1 || table.size() % static_cast<std::size_t>(heads) != 0)
        throw bad_input({table.size(), " scores are no table of layers with ", heads, " heads"});
    if (auto const at = std::ranges::find_if(table, [](double s) { return std::isnan(s); }); at != table.end()) {
        auto const i = (at - table.begin());
        throw bad_input({"the score of layer ", i / heads, ", head ", i % heads, " is NaN, so heads have no order"});
    }
    std::vector<std::size_t> order(table.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return table[i]; });
    std::vector<node> ranked;
    for (auto const i : order)
        ranked.push_back({static_cast<int>(i) / heads, static_cast<int>(i) % heads});
    return ranked;
}

/// The `count` heads with the lowest scores, lowest first. throws bad_input when there are fewer, and as ranked_heads
inline std::vector<node> lowest_heads(std::span<double const> table, int heads, std::size_t count) {
    auto ranked = ranked_heads(table, heads);
    if (count > ranked.size())
        throw bad_input({"there are no ", count, " heads, only ", ranked.size()});
    ranked.resize(count);
    return ranked;
}

/// How many of the lowest heads must be taken so that `count` of them are not in `taken`: the paper's 58 value
/// fetchers, of which 50 remain. throws bad_input when there are never so many, and as ranked_heads
inline std::size_t lowest_needed(std::span<double const> table, int heads, std::size_t count,
                                 std::span<node const> taken) {
    std::set<node> const known(taken.begin(), taken.end());
    std::size_t free = 0, needed = 0;
    for (auto const head : ranked_heads(table, heads)) {
        if (free == count)
            break;
        ++needed;
        free += !known.contains(head);
    }
    if (free < count)
        throw bad_input({"there are no ", count, " heads outside other groups, only ", free});
    return needed;
}

/// The heads of all other groups that come later and act at the same role.
inline std::vector<node> taken_later(circuit const& c, std::size_t group) {
    std::vector<node> taken;
    for (std::size_t later = group + 1; later < c.groups.size(); ++later)
        if (c.groups[later].role == c.groups[group].role)
            taken.insert(taken.end(), c.groups[later].heads.begin(), c.groups[later].heads.end());
    return taken;
}

/// The circuit with each node in one group only. Groups stand in the order in which they were discovered; a node of two
/// groups stays in the later one, further from the logits: the paper's value fetchers lose their position transmitters.
inline circuit without_overlap(circuit c) {
    for (std::size_t g = 0; g < c.groups.size(); ++g)
        c.groups[g].heads = heads_not_in(c.groups[g].heads, taken_later(c, g));
    return c;
}

} // namespace engraft
