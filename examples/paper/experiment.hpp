#pragma once

#include <string>
#include <vector>

#include <engraft/core/random.hpp>

#include "../report/findings.hpp"
#include "../report/shown.hpp"
#include "../summary.hpp"
#include "lab.hpp"
#include "published.hpp"
#include "store.hpp"

namespace paper {

/// A circuit without its groups that have no heads.
inline eg::circuit without_empty_groups(eg::circuit c) {
    std::erase_if(c.groups, [](eg::circuit_group const& g) { return g.heads.empty(); });
    return c;
}

/// What an experiment works with.
struct context {
    lab& models;
    settings const& chosen;
    store& kept;
    published const& paper;

    /// The prompts of evaluations, the same for all experiments; and others, for means.
    eg::boxes::prompts prompts() const { return models.prompts(chosen.examples, chosen.seed); }
    eg::boxes::prompts mean_prompts() const { return models.prompts(chosen.examples, chosen.seed + 1); }

    /// A model's circuit, as the experiment `circuits` found it; by score alone, or pruned.
    eg::circuit by_score(model_entry const& m) const { return kept.circuit(m.name + "_by_score"); }
    eg::circuit circuit(model_entry const& m) const { return kept.circuit(m.name); }
    /// The heads of each group that carry its function, as `masks` found them.
    eg::circuit functional(model_entry const& m) const { return kept.circuit(m.name + "_functional"); }

    /// "200, seed 10"
    std::string prompts_text() const {
        return std::to_string(chosen.examples) + ", seed " + std::to_string(chosen.seed);
    }
};

/// A table or a figure of the paper, or some that belong together.
struct experiment {
    char const* name;
    char const* title;
    std::vector<std::string> needs; ///< experiments whose files it reads
    void (*run)(context&, report::findings&);
};

/// In the order in which they can run.
std::vector<experiment const*> const& all_experiments();

/// The paper's letters for the groups in the order of discovery: "A: value fetchers".
std::string letter(std::string const& group);

inline std::size_t heads_of(eg::circuit const& c) {
    std::size_t count = 0;
    for (auto const& g : c.groups)
        count += g.heads.size();
    return count;
}

/// Bars from 0 to 1 above each category, to which series are added.
report::figure bars_of(std::string const& name, std::string const& title, std::string const& y_label,
                       std::vector<std::string> const& categories);
/// Lines or points from 0 to 1.
report::figure drawing_of(report::figure::kind how, std::string const& name, std::string const& title,
                          std::string const& x_label, std::string const& y_label);
/// Coloured squares, [rows, columns].
report::figure map_of(std::string const& name, std::string const& title, std::vector<std::string> const& rows,
                      std::vector<std::string> const& columns, std::vector<double> const& values);

/// "0", "1", ...
std::vector<std::string> counted(int count);

/// "L5 H1, L4 H7"
std::string text_of(std::vector<eg::node> const& heads);

} // namespace paper
