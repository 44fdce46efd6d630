// Figures A5 and A7: how much the heads of a tuned model's circuit matter in it, and in the base model.

#include "experiment.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <engraft/io/npy.hpp>

namespace paper {

namespace {

void run_figure_a5(context& c, report::findings& f) {
    f.method =
        "Heads of a tuned model’s circuit by the absolute value of their path patching score, largest first; the same "
        "heads’ in the base model beside it. Grey: the head is not in that model’s circuit.";
    auto const& base = c.chosen.base();
    for (auto const& m : c.chosen.searched()) {
        if (m.name == base.name)
            continue;
        struct bar {
            double tuned, base;
            bool in_base;
            std::string name;
        };
        std::vector<bar> bars;
        auto const of_base = c.circuit(base), of_tuned = c.circuit(m);
        for (auto const& group : of_tuned.groups) {
            auto const read = [&](std::string const& model) {
                return eg::read_npy<double>(c.kept.folder() / "results" /
                                            ("scores_" + model + "_" + group.name + ".npy"))
                    .values;
            };
            auto const tuned = read(m.name), before = read(base.name);
            for (auto const n : group.heads) {
                auto const at = static_cast<std::size_t>(n.layer * c.models.heads() + n.head);
                bool const in_base = std::ranges::count(of_base[group.name].heads, n) > 0;
                bars.push_back({std::abs(tuned[at]), std::abs(before[at]), in_base,
                                letter(group.name).substr(0, 1) + " " + text_of({n})});
            }
        }
        std::ranges::stable_sort(bars, std::ranges::greater{}, &bar::tuned);
        auto both =
            bars_of("impact_" + m.name, "Causal impact of the heads in the circuit of " + m.name, "absolute score", {});
        both.all = {{m.name}, {base.name}};
        both.most = std::nan("");
        std::size_t strong = 0, kept = 0;
        for (std::size_t i = 0; i < bars.size(); ++i) {
            both.categories.push_back(bars[i].name);
            both.all[0].y.push_back(bars[i].tuned), both.all[1].y.push_back(bars[i].base),
                both.all[1].pale.push_back(!bars[i].in_base);
            strong += bars[i].in_base, kept += bars[i].in_base && i < bars.size() / 2;
        }
        f.arrays.push_back({both.name, {both.all[0].y.size()}, both.all[0].y});
        f.arrays.push_back({both.name + "_in_" + base.name, {both.all[1].y.size()}, both.all[1].y});
        f.figures.push_back(both);
        f.comparisons.push_back({m.name + ": “most of the highly causal heads in the base circuit remain highly "
                                          "influential”: share of the common heads in its stronger half",
                                 strong ? double(kept) / double(strong) : std::nan(""), report::relation::at_least, 0.5,
                                 0});
    }
}

} // namespace

extern experiment const figure_a5{
    "figure_a5", "Figures A5, A7: causal impact of heads in two circuits", {"circuits"}, run_figure_a5};

} // namespace paper
