// Tables 1, A5 and A9: a circuit found in one model, evaluated in all of them with everything else mean-ablated.

#include "experiment.hpp"

#include <engraft/circuit/faithfulness.hpp>

namespace paper {

namespace {

void run_table_1(context& c, report::findings& f) {
    using enum report::relation;
    f.method =
        "F is accuracy. F(circuit): z of every head at every position is replaced by its mean over prompts with "
        "a random query label, except the circuit's heads at their positions. Random circuits have as many heads "
        "at each position.";
    auto const prompts = c.prompts(), mean_prompts = c.mean_prompts();
    f.settings = {{"prompts", eg::message({c.prompts_text(), "; means over as many, seed ", c.chosen.seed + 1})},
                  {"random circuits", std::to_string(c.chosen.random_circuits)}};
    for (auto const& of : c.chosen.searched()) {
        auto const circuit = c.circuit(of);
        eg::random random(c.chosen.seed, 1);
        auto circuits =
            eg::random_circuits(circuit, c.chosen.random_circuits, c.models.layers(), c.models.heads(), random);
        circuits.push_back(circuit);
        report::table t{
            eg::message({"The circuit of ", of.name, " (", of.published, "), ", heads_of(circuit), " heads"}),
            {"model", "whole", "circuit", "random", "faithfulness", "paper: whole", "circuit", "random",
             "faithfulness"}};
        auto bars = bars_of("faithfulness_" + of.name, "Circuit of " + of.name + " in each model", "accuracy", {});
        bars.all = {{"whole model"}, {"circuit"}, {"random circuits"}};
        report::kept_array kept{bars.name, {c.chosen.models.size(), 2 + c.chosen.random_circuits}, {}};
        for (auto const& m : c.chosen.models) {
            auto const measured = c.models.mean_ablation(m.name, prompts, mean_prompts);
            auto accuracies = measured->each(circuits, circuit);
            eg::faithfulness const found{accuracies.back(), measured->whole()};
            accuracies.pop_back();
            kept.values.insert(kept.values.end(), {found.model, found.circuit});
            kept.values.insert(kept.values.end(), accuracies.begin(), accuracies.end());
            auto const drawn = example::summarize(accuracies);

            auto const theirs = [&](char const* what) { return c.paper({"table_1", of.published, m.published, what}); };
            t.add({m.name, found.model, found.circuit, drawn.mean, found.ratio(), theirs("whole"), theirs("circuit"),
                   theirs("random"), theirs("faithfulness")});
            bars.categories.push_back(m.name);
            bars.all[0].y.push_back(found.model), bars.all[1].y.push_back(found.circuit);
            bars.all[2].y.push_back(drawn.mean), bars.all[2].error.push_back(drawn.deviation);
            auto const where = "circuit of " + of.name + " in " + m.name;
            f.comparisons.push_back({where + ": faithfulness (" + of.published + "’s in " + m.published + ")",
                                     found.ratio(), near, theirs("faithfulness"), 0.1});
            f.comparisons.push_back({where + ": random circuits of its size have “virtually zero accuracy”", drawn.mean,
                                     at_most, theirs("random"), 0.05});
            if (of.name == c.chosen.base().name)
                f.comparisons.push_back({m.name + ": accuracy of the whole model (" + m.published + ")", found.model,
                                         near, theirs("whole"), 0.05});
        }
        f.arrays.push_back(kept);
        f.tables.push_back(t);
        f.figures.push_back(bars);
    }
}

} // namespace

extern experiment const table_1{"table_1", "Tables 1, A5, A9: one model’s circuit in all models", {"circuits"}, run_table_1};

} // namespace paper
