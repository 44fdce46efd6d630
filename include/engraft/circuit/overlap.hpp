#pragma once

#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>

namespace engraft {

/// How many nodes two sets have, and how many in common. A share of nothing is NaN.
/// source Prakash et al. 2024, Tables A6 and A10
struct overlap {
    std::string name;
    std::size_t first = 0;
    std::size_t second = 0;
    std::size_t common = 0;

    /// common / first: how much of the first circuit the second has too. (The paper's precision and recall.)
    double precision() const { return share(common, first); }
    double recall() const { return share(common, second); }
    double jaccard() const { return share(common, first + second - common); }

    friend bool operator==(overlap const&, overlap const&) = default;

private:
    static double share(std::size_t part, std::size_t whole) {
        return whole ? static_cast<double>(part) / static_cast<double>(whole)
                     : std::numeric_limits<double>::quiet_NaN();
    }
};

/// Group by group, in the order of `a`, then groups that only `b` has; a group that one circuit lacks counts as empty.
/// throws bad_input when a group acts at another role in the other circuit
inline std::vector<overlap> overlap_by_group(circuit const& a, circuit const& b) {
    std::vector<overlap> lines;
    for (auto const& group : a.groups) {
        auto const* other = detail::counterpart(group, b);
        lines.push_back({group.name, group.heads.size(), other ? other->heads.size() : 0,
                         other ? heads_in(group.heads, other->heads).size() : 0});
    }
    for (auto const& group : b.groups)
        if (!a.find(group.name))
            lines.push_back({group.name, 0, group.heads.size(), 0});
    return lines;
}

/// The circuits as sets of (head, role) nodes, in whatever groups these stand.
inline overlap overlap_of(circuit const& a, circuit const& b) {
    auto const nodes_of = [](circuit const& c) {
        std::set<std::pair<std::string, node>> all;
        for (auto const& group : c.groups)
            for (auto const head : group.heads)
                all.insert({group.role, head});
        return all;
    };
    auto const first = nodes_of(a), second = nodes_of(b);
    overlap whole{"all", first.size(), second.size(), 0};
    for (auto const& n : first)
        whole.common += second.contains(n);
    return whole;
}

} // namespace engraft
