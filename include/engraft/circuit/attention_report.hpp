#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/intervene/capture.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

/// Where attention may go: positions of each example, whose attention is summed.
struct attention_target {
    std::string name;
    std::vector<std::vector<long>> positions; ///< counted from the end of the example when negative

    /// A role's position.
    static attention_target of(role const& r) {
        attention_target target{r.name, {}};
        for (auto const p : r.positions)
            target.positions.push_back({p});
        return target;
    }
};

/// Average attention of heads from a role to targets: what the heads of a circuit look at.
/// source Prakash et al. 2024, section 4.1 and Figure 1
struct attention_report {
    std::string from;
    std::vector<node> heads;
    std::vector<std::string> targets;
    std::vector<double> means; ///< [heads, targets], row-major; each over the examples

    double operator()(std::size_t head, std::size_t target) const { return means[head * targets.size() + target]; }
};

/// at_once: examples whose attention is held at one time
/// throws bad_head, bad_layer and bad_position for what the model or an example does not have, bad_input when the role
/// or a target does not have as many examples as the batch
template <description const& D, class B>
attention_report attention_from(model<D, B> const& m, batch const& tokens, role const& from,
                                std::vector<node> const& heads, std::vector<attention_target> const& targets,
                                std::size_t at_once = 50) {
    attention_report report{from.name, heads, {}, std::vector<double>(heads.size() * targets.size())};
    for (auto const& target : targets) {
        report.targets.push_back(target.name);
        if (target.positions.size() != tokens.examples())
            throw bad_input({"the attention target `", target.name, "` has positions of ", target.positions.size(),
                             " examples, the batch has ", tokens.examples()});
    }
    if (heads.empty() || targets.empty())
        return report;
    std::vector<int> of_heads;
    for (auto const n : heads) {
        detail::require_layer(n.layer, D.layers);
        detail::require_head(n.head, D.heads, sites::pattern::name);
        of_heads.push_back(n.layer);
    }
    detail::places_of(from, tokens.rows());
    first_layers const to_last{*std::max_element(of_heads.begin(), of_heads.end()) + 1};
    for (auto const part : parts_of_batch(tokens.examples(), at_once)) {
        auto const some = part.of(tokens);
        auto const there = part.of(from);
        auto const run = m.run(some, capture(sites::pattern{}, layers(of_heads) & at(there)), to_last);
        for (std::size_t h = 0; h < heads.size(); ++h)
            for (std::size_t e = 0; e < part.count; ++e) {
                auto const line = run[sites::pattern{}].slice(heads[h].layer, e, there.positions[e],
                                                              static_cast<std::size_t>(heads[h].head));
                for (std::size_t t = 0; t < targets.size(); ++t)
                    for (auto const p : targets[t].positions[part.first + e])
                        report.means[h * targets.size() + t] += static_cast<double>(line[some.rows().position(e, p)]) /
                                                                static_cast<double>(tokens.examples());
            }
    }
    return report;
}

} // namespace engraft
