// Sections 4.1 and 4.2, Tables A2, A3 and A7: each model's circuit, by path patching and then pruned by minimality.

#include "experiment.hpp"

#include <engraft/circuit/minimality.hpp>

namespace paper {

namespace {

report::figure map_of_scores(context const& c, std::string const& group, std::vector<double> const& scores) {
    report::figure f{.name = "scores_" + group,
                     .title = "Path patching scores, " + letter(group),
                     .how = report::figure::kind::map,
                     .x_label = "head",
                     .y_label = "layer",
                     .values = scores};
    for (int h = 0; h < c.models.heads(); ++h)
        f.categories.push_back(std::to_string(h));
    for (int l = 0; l < c.models.layers(); ++l)
        f.rows.push_back(std::to_string(l));
    for (double const s : scores)
        f.most = std::isnan(f.most) ? std::abs(s) : std::max(f.most, std::abs(s));
    f.least = -f.most;
    return f;
}

void run(context& c, report::findings& f) {
    f.method = "For each head, z from a noise prompt is sent along the direct path to the logits (A), to the queries of A "
               "(B), the values of B (C) and the values of C (D); the heads with the lowest relative change of the "
               "answer's probability are taken. Then each group is pruned: a head stays when the circuit's accuracy "
               "without it (and without 30 % of its group) falls by the threshold.";
    auto const prompts = c.models.prompts(c.chosen.for_path_patching(), c.chosen.seed + 2);
    auto const judged = c.models.prompts(c.chosen.for_minimality(), c.chosen.seed + 3);
    f.settings = {{"prompts", std::to_string(c.chosen.for_path_patching()) + " for path patching (seed " +
                                  std::to_string(c.chosen.seed + 2) + "), " + std::to_string(c.chosen.for_minimality()) +
                                  " for minimality (seed " + std::to_string(c.chosen.seed + 3) + ")"},
                  {"threshold", report::shown(c.chosen.threshold)}};
    report::table sizes{"Heads of each group (Tables A2, A3, A7)",
                        {"model", "group", "by score", "without overlap", "minimal", "paper", "the heads"}};
    for (auto const& m : c.chosen.searched()) {
        auto const found = c.models.discover(m.name, prompts, m.heads);
        auto const measured = c.models.mean_ablation(m.name, judged, c.mean_prompts());
        auto const minimal = eg::minimal_circuit(
            found.found, {.threshold = c.chosen.threshold},
            [&](eg::circuit const& beside, std::vector<eg::circuit> const& cases) { return measured->each(cases, beside); });
        c.kept.write_circuit(m.name + "_by_score", found.found);
        c.kept.write_circuit(m.name, minimal);

        for (std::size_t g = 0; g < minimal.groups.size(); ++g) {
            auto const& group = minimal.groups[g].name;
            f.arrays.push_back({"scores_" + m.name + "_" + group,
                                {std::size_t(c.models.layers()), std::size_t(c.models.heads())},
                                found.steps[g].change});
            if (m.name == c.chosen.base().name)
                f.figures.push_back(map_of_scores(c, group, found.steps[g].change));
            sizes.add({m.name, letter(group), double(m.heads[g]), double(found.found.groups[g].heads.size()),
                       double(minimal.groups[g].heads.size()), c.paper({"groups", m.published, group, "heads"}),
                       text_of(minimal.groups[g].heads)});
        }
        if (m.published == "Llama-7B")
            f.comparisons.push_back({"“we prune 20 % of the heads of the initial circuit”, of the base model: share that is kept",
                                     double(heads_of(minimal)) / double(heads_of(found.found)), report::relation::near,
                                     0.8, 0.1});
        else
            f.comparisons.push_back({m.name + ": 175 of 200 heads are left by minimality (" + m.published + ")",
                                     double(heads_of(minimal)) / double(heads_of(found.found)), report::relation::near,
                                     0.875, 0.1});
    }
    f.tables.push_back(sizes);
}

} // namespace

extern experiment const circuits{"circuits", "The circuits: path patching and minimality (Tables A2, A3, A7)", {}, run};

} // namespace paper
