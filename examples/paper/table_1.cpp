// Table 1, A5 and A9: a circuit found in one model, evaluated in all of them with everything else mean-ablated.

#include "experiment.hpp"

#include <engraft/circuit/faithfulness.hpp>

namespace paper {

namespace {

void run(context& c, report::findings& f) {
    f.method = "F is accuracy. F(circuit): z of every head at every position is replaced by its mean over prompts with "
               "a random query label, except the circuit's heads at their positions. Random circuits have as many heads at "
               "each position.";
    auto const prompts = c.prompts(), mean_prompts = c.mean_prompts();
    f.settings = {{"prompts", std::to_string(c.chosen.examples) + ", seed " + std::to_string(c.chosen.seed) +
                                  "; means over as many, seed " + std::to_string(c.chosen.seed + 1)},
                  {"random circuits", std::to_string(c.chosen.random_circuits)}};
    for (auto const& of : c.chosen.searched()) {
        auto const circuit = c.circuit(of);
        eg::random random(c.chosen.seed, 1);
        auto const drawn =
            eg::random_circuits(circuit, c.chosen.random_circuits, c.models.layers(), c.models.heads(), random);
        report::table t{"The circuit of " + of.name + " (" + of.published + "), " + std::to_string(heads_of(circuit)) + " heads",
                        {"model", "whole", "circuit", "random", "faithfulness", "paper: whole", "circuit", "random", "faithfulness"}};
        report::figure bars{.name = "faithfulness_" + of.name,
                            .title = "Circuit of " + of.name + " in each model",
                            .how = report::figure::kind::bars,
                            .y_label = "accuracy",
                            .all = {{"whole model"}, {"circuit"}, {"random circuits"}},
                            .least = 0,
                            .most = 1};
        for (auto const& m : c.chosen.models) {
            auto const measured = c.models.mean_ablation(m.name, prompts, mean_prompts);
            auto all = drawn;
            all.push_back(circuit);
            auto accuracies = measured->each(all, circuit);
            eg::faithfulness const found{accuracies.back(), measured->whole()};
            accuracies.pop_back();
            auto const random_mean = eg::summarize(accuracies);

            auto const theirs = [&](char const* what) { return c.paper({"table_1", of.published, m.published, what}); };
            t.add({m.name, found.model, found.circuit, random_mean.mean, found.ratio(), theirs("whole"), theirs("circuit"),
                   theirs("random"), theirs("faithfulness")});
            bars.categories.push_back(m.name);
            bars.all[0].y.push_back(found.model), bars.all[1].y.push_back(found.circuit);
            bars.all[2].y.push_back(random_mean.mean), bars.all[2].error.push_back(random_mean.deviation);
            f.comparisons.push_back({"circuit of " + of.name + " in " + m.name + ": faithfulness of " + of.published + "’s in " +
                                         m.published, found.ratio(), report::relation::near, theirs("faithfulness"), 0.1});
            f.comparisons.push_back({"random circuits in " + m.name + ", as many heads as that of " + of.name +
                                         ": “virtually zero accuracy”",
                                     random_mean.mean, report::relation::at_most, theirs("random"), 0.05});
            if (of.name == c.chosen.base().name)
                f.comparisons.push_back({m.name + ": accuracy of the whole model (" + m.published + ")", found.model,
                                         report::relation::near, theirs("whole"), 0.05});
        }
        f.tables.push_back(t);
        f.figures.push_back(bars);
    }
}

} // namespace

extern experiment const table_1{"table_1", "Tables 1, A5, A9: one model’s circuit in all models", {"circuits"}, run};

} // namespace paper
