// Sections 4.1 and 4.2, Tables A2, A3 and A7: each model's circuit, by path patching and then pruned by minimality.

#include "experiment.hpp"

#include <engraft/circuit/minimality.hpp>

namespace paper {

namespace {

report::figure map_of_scores(context const& c, std::string const& group, std::vector<double> const& scores) {
    auto map = map_of("scores_" + group, "Path patching scores, " + letter(group), counted(c.models.layers()),
                      counted(c.models.heads()), scores);
    map.x_label = "head", map.y_label = "layer";
    map.most = 0;
    for (double const s : scores)
        map.most = std::max(map.most, std::abs(s));
    map.least = -map.most;
    return map;
}

void run_circuits(context& c, report::findings& f) {
    f.method =
        "For each head, z from a noise prompt is sent along the direct path to the logits (A), to the queries of A "
        "(B), the values of B (C) and the values of C (D); the heads with the lowest relative change of the "
        "answer's probability are taken. Then each group is pruned: a head stays when the circuit's accuracy "
        "without it (and without 30 % of its group) falls by the threshold.";
    auto const many = c.chosen.for_path_patching(), few = c.chosen.for_minimality();
    auto const prompts = c.models.prompts(many, c.chosen.seed + 2), judged = c.models.prompts(few, c.chosen.seed + 3);
    f.settings = {{"prompts", eg::message({many, " for path patching (seed ", c.chosen.seed + 2, "), ", few,
                                           " for minimality (seed ", c.chosen.seed + 3, ")"})},
                  {"threshold", report::shown(c.chosen.threshold)}};
    report::table sizes{"Heads of each group",
                        {"model", "group", "by score", "without overlap", "minimal", "paper", "the heads"}};
    for (auto const& m : c.chosen.searched()) {
        auto const found = c.models.discover(m.name, prompts, m.heads);
        auto const measured = c.models.mean_ablation(m.name, judged, c.mean_prompts());
        auto const minimal = eg::minimal_circuit(found.found, {.threshold = c.chosen.threshold},
                                                 [&](eg::circuit const& beside, std::vector<eg::circuit> const& all) {
                                                     return measured->each(all, beside);
                                                 });
        c.kept.write_circuit(m.name + "_by_score", found.found);
        c.kept.write_circuit(m.name, minimal);

        for (std::size_t g = 0; g < minimal.groups.size(); ++g) {
            auto const& [group, role, heads] = minimal.groups[g];
            auto const& scores = found.steps[g].change;
            f.arrays.push_back({"scores_" + m.name + "_" + group,
                                {std::size_t(c.models.layers()), std::size_t(c.models.heads())},
                                scores});
            if (m.name == c.chosen.base().name)
                f.figures.push_back(map_of_scores(c, group, scores));
            sizes.add({m.name, letter(group), double(m.heads[g]), double(found.found.groups[g].heads.size()),
                       double(heads.size()), c.paper({"groups", m.published, group, "heads"}), text_of(heads)});
        }
        bool const llama = m.published == "Llama-7B";
        f.comparisons.push_back({m.name + (llama ? ": “we prune 20 % of the heads”, 90 to 72: share that is kept"
                                                 : ": 200 heads to 175 (" + m.published + "): share that is kept"),
                                 double(heads_of(minimal)) / double(heads_of(found.found)), report::relation::near,
                                 llama ? 0.8 : 0.875, 0.1});
    }
    f.tables.push_back(sizes);
}

} // namespace

extern experiment const circuits{"circuits", "The circuits: path patching and minimality (Tables A2, A3, A7)", {}, run_circuits};

} // namespace paper
