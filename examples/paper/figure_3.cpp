// Figures 2, 3, A8 and A9: what each group of a circuit carries, by activation patching of its functional heads.

#include "experiment.hpp"

namespace paper {

namespace {

std::vector const three{eg::boxes::hypothesis::object, eg::boxes::hypothesis::label, eg::boxes::hypothesis::position};

/// One group of one circuit in all models. accuracies: of each model, [desideratum, repetition]
void show(context const& c, report::findings& f, model_entry const& of, std::string const& group,
          std::vector<std::vector<std::vector<double>>> const& accuracies) {
    auto const title = "Circuit of " + of.name + ", " + letter(group);
    auto bars =
        bars_of("patching_" + of.name + "_" + group, title, "follow the target", {"object", "label", "position"});
    report::table t{title, {"model", "object", "label", "position", "paper: object", "label", "position"}};
    auto const function = group == "value_fetcher" ? "object" : group == "structure_reader" ? "" : "position";
    for (std::size_t i = 0; i < c.chosen.models.size(); ++i) {
        auto const& m = c.chosen.models[i];
        bars.all.push_back({.name = m.name});
        std::vector<report::cell> row{m.name}, published;
        report::kept_array kept{bars.name + "_" + m.name, {three.size(), c.chosen.repetitions}, {}};
        for (std::size_t d = 0; d < three.size(); ++d) {
            std::string const what = eg::boxes::name_of(three[d]);
            auto const found = example::summarize(accuracies[i][d]);
            double const theirs = c.paper({"patching", of.published, m.published, group, what, "mean"});
            bars.all.back().y.push_back(found.mean), bars.all.back().error.push_back(found.deviation);
            row.push_back(found.mean), published.push_back(theirs);
            kept.values.insert(kept.values.end(), accuracies[i][d].begin(), accuracies[i][d].end());
            if (what == function && !std::isnan(theirs))
                f.comparisons.push_back({title + ", in " + m.name + ": follow the " + what + " (" + of.published +
                                             "’s in " + m.published + ")",
                                         found.mean, report::relation::near, theirs, 0.1});
        }
        row.insert(row.end(), published.begin(), published.end());
        t.add(row);
        f.arrays.push_back(kept);
    }
    bars.levels = {{"chance", c.chosen.chance()}};
    f.tables.push_back(t);
    f.figures.push_back(bars);
}

void run_figure_3(context& c, report::findings& f) {
    f.method =
        "z of the functional heads of a group is taken from alternate prompts; the share of prompts whose answer is "
        "then that of the desideratum (Figure 2). Bars: means over the repetitions, and standard deviations.";
    auto const first = c.chosen.seed + 100;
    f.settings = {{"prompts",
                   eg::message({c.chosen.repetitions, " repetitions of ", c.chosen.examples, ", seeds from ", first})}};
    auto const circuits = c.chosen.searched();
    std::vector<eg::exchange> all; // groups of all circuits, so that they share the runs
    std::vector<std::pair<model_entry, std::string>> groups;
    for (auto const& of : circuits) {
        auto const functional = c.functional(of);
        auto const more = eg::whole_groups(functional, three.size());
        all.insert(all.end(), more.begin(), more.end());
        for (auto const& group : functional.groups)
            groups.push_back({of, group.name});
    }
    // [group][model][desideratum][repetition]
    std::vector accuracies(groups.size(),
                           std::vector(c.chosen.models.size(), std::vector<std::vector<double>>(three.size())));
    for (std::size_t m = 0; m < c.chosen.models.size(); ++m)
        for (std::size_t r = 0; r < c.chosen.repetitions; ++r) {
            auto const found =
                c.models.follow(c.chosen.models[m].name, c.models.desiderata(three, c.chosen.examples, first + r), all);
            for (std::size_t e = 0; e < found.size(); ++e)
                accuracies[e / three.size()][m][e % three.size()].push_back(found[e]);
        }
    for (std::size_t g = 0; g < groups.size(); ++g)
        show(c, f, groups[g].first, groups[g].second, accuracies[g]);
}

} // namespace

extern experiment const figure_3{"figure_3", "Figures 2, 3, A8, A9: what the groups carry", {"masks"}, run_figure_3};

} // namespace paper
