#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/mean_ablation.hpp>

/// Whether a circuit is all that matters: taking any of its nodes K away should harm the circuit as it harms the model.
/// source Wang et al. 2023, section 4; Prakash et al. 2024, appendix C
namespace engraft {

/// Some nodes of a circuit, with a name.
struct knocked_out {
    std::string name;
    circuit nodes; ///< K
};

struct completeness_line {
    knocked_out removed;
    double circuit = 0; ///< F(Cir \ K)
    double model = 0;   ///< F(M \ K)

    /// |F(Cir \ K) - F(M \ K)|: 0 where the circuit is complete.
    double incompleteness() const { return std::abs(circuit - model); }
};

/// The circuit without the nodes of another, whatever groups these stand in.
inline circuit without_nodes(circuit c, circuit const& removed) {
    for (auto& group : c.groups)
        for (auto const& other : removed.groups)
            if (other.role == group.role)
                group.heads = heads_not_in(group.heads, other.heads);
    return c;
}

/// K = each group.
inline std::vector<knocked_out> each_group(circuit const& c) {
    std::vector<knocked_out> all;
    for (auto const& group : c.groups)
        all.push_back({group.name, {{group}}});
    return all;
}

/// K = subsets drawn uniformly from all subsets: each node is in with probability 1/2.
inline std::vector<knocked_out> random_subsets(circuit const& c, std::size_t count, random& r) {
    std::vector<knocked_out> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back({"random " + std::to_string(i + 1), c});
        for (auto& group : all.back().nodes.groups)
            std::erase_if(group.heads, [&](node) { return r.below(2) == 0; });
    }
    return all;
}

/// F(Cir \ K) and F(M \ K) for each K, of the first metric. All of them are rows of two sweeps.
template <description const& D, class B>
std::vector<completeness_line> completeness(mean_ablation<D, B> const& f, circuit const& c,
                                            std::vector<knocked_out> const& subsets) {
    std::vector<circuit> rests, removed;
    for (auto const& subset : subsets) {
        rests.push_back(without_nodes(c, subset.nodes));
        removed.push_back(subset.nodes);
    }
    auto const of_circuit = mean_over_examples(f.each(rests, c)), of_model = mean_over_examples(f.without(removed));
    std::vector<completeness_line> lines;
    for (std::size_t i = 0; i < subsets.size(); ++i)
        lines.push_back({subsets[i], of_circuit[i], of_model[i]});
    return lines;
}

/// The K that a greedy search finds to be worst: node by node, the one that adds most to the incompleteness, the first
/// of equals, until none adds any or K has `most` nodes. Empty, with F(Cir) and F(M), where no single node adds any.
/// progress: called with the number of nodes in K, before each step
/// source Wang et al. 2023, section 4, "greedy"
template <description const& D, class B>
completeness_line worst_subset(mean_ablation<D, B> const& f, circuit const& c, std::size_t most,
                               std::function<void(std::size_t)> const& progress = {}) {
    circuit none = c;
    for (auto& group : none.groups)
        group.heads.clear();
    auto worst = completeness(f, c, {{"greedy", none}}).front();
    for (std::size_t size = 0; size < most; ++size) {
        if (progress)
            progress(size);
        std::vector<knocked_out> candidates;
        for (std::size_t g = 0; g < c.groups.size(); ++g)
            for (auto const head : heads_not_in(c.groups[g].heads, worst.removed.nodes.groups[g].heads)) {
                candidates.push_back(worst.removed);
                candidates.back().nodes.groups[g].heads.push_back(head);
            }
        bool found = false;
        for (auto& line : completeness(f, c, candidates))
            if (line.incompleteness() > worst.incompleteness()) {
                worst = std::move(line);
                found = true;
            }
        if (!found)
            break;
    }
    return worst;
}

} // namespace engraft
