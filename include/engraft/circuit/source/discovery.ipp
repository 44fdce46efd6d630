#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <set>
#include <span>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/discovery.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

ENGRAFT_BODY std::vector<node> ranked_heads(std::span<double const> table, int heads) {
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

ENGRAFT_BODY std::vector<node> lowest_heads(std::span<double const> table, int heads, std::size_t count) {
    auto ranked = ranked_heads(table, heads);
    if (count > ranked.size())
        throw bad_input({"there are no ", count, " heads, only ", ranked.size()});
    ranked.resize(count);
    return ranked;
}

ENGRAFT_BODY std::size_t lowest_needed(std::span<double const> table, int heads, std::size_t count,
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

ENGRAFT_BODY std::vector<node> taken_later(circuit const& c, std::size_t group) {
    std::vector<node> taken;
    for (std::size_t later = group + 1; later < c.groups.size(); ++later)
        if (c.groups[later].role == c.groups[group].role)
            taken.insert(taken.end(), c.groups[later].heads.begin(), c.groups[later].heads.end());
    return taken;
}

ENGRAFT_BODY circuit without_overlap(circuit c) {
    for (std::size_t g = 0; g < c.groups.size(); ++g)
        c.groups[g].heads = heads_not_in(c.groups[g].heads, taken_later(c, g));
    return c;
}

} // namespace engraft
