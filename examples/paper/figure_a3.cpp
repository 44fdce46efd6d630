// Figures A3, A4, A6 and Tables A1, A4, A8: is a circuit complete? Taking nodes K away should harm it as it harms the
// model.

#include "experiment.hpp"

#include <engraft/circuit/completeness.hpp>

namespace paper {

namespace {

void run_figure_a3(context& c, report::findings& f) {
    f.method = "K is each group of a circuit, or a random half of its nodes. A circuit is complete where F(circuit "
               "without K) = "
               "F(model without K), everything that is taken away being mean-ablated.";
    auto const prompts = c.prompts(), mean_prompts = c.mean_prompts();
    f.settings = {{"prompts", c.prompts_text()}, {"random subsets", "20, each node with probability 1/2"}};
    for (auto const& m : c.chosen.searched()) {
        auto const circuit = without_empty_groups(c.circuit(m));
        eg::random random(c.chosen.seed, 3);
        auto subsets = eg::random_subsets(circuit, 20, random);
        auto const count = subsets.size();
        for (auto& group : eg::each_group(circuit))
            subsets.push_back(group);
        auto const measured = c.models.mean_ablation(m.name, prompts, mean_prompts);
        std::vector<eg::circuit> rests, removed;
        for (auto const& k : subsets) {
            rests.push_back(eg::without_nodes(circuit, k.nodes));
            removed.push_back(k.nodes);
        }
        auto const of_circuit = measured->each(rests, circuit), of_model = measured->without(removed);

        report::table t{"Completeness of the circuit of " + m.name,
                        {"K", "nodes", "F(M∖K)", "F(C∖K)", "difference", "paper: F(M∖K)", "F(C∖K)", "difference"}};
        auto points = drawing_of(report::figure::kind::points, "completeness_" + m.name, "Circuit of " + m.name,
                                 "F(circuit without K)", "F(model without K)");
        points.all = {{"random K"}}, points.diagonal = true, points.width = 460, points.height = 420;
        std::vector<double> differences;
        auto const add = [&](std::string const& name, std::string const& key, double nodes, double model, double alone,
                             double difference) {
            auto const theirs = [&](char const* what) { return c.paper({"completeness", m.published, key, what}); };
            t.add({name, nodes, model, alone, difference, theirs("whole"), theirs("circuit"), theirs("difference")});
            f.comparisons.push_back({m.name + ", K = " + name + ": incompleteness (" + m.published + ")", difference,
                                     report::relation::near, theirs("difference"), 0.1});
        };
        for (std::size_t i = 0; i < count; ++i) {
            points.all[0].x.push_back(of_circuit[i]), points.all[0].y.push_back(of_model[i]);
            differences.push_back(std::abs(of_circuit[i] - of_model[i]));
        }
        auto const mean = [](std::vector<double> const& v) { return example::summarize(v).mean; };
        add("random", "random", double(heads_of(circuit)) / 2, mean(points.all[0].y), mean(points.all[0].x),
            mean(differences));
        for (std::size_t i = count; i < subsets.size(); ++i) {
            points.all.push_back(
                {.name = letter(subsets[i].name).substr(0, 1), .x = {of_circuit[i]}, .y = {of_model[i]}});
            add(letter(subsets[i].name), subsets[i].name, double(heads_of(subsets[i].nodes)), of_model[i],
                of_circuit[i], std::abs(of_circuit[i] - of_model[i]));
        }
        f.arrays.push_back({points.name + "_of_circuit", {of_circuit.size()}, of_circuit});
        f.arrays.push_back({points.name + "_of_model", {of_model.size()}, of_model});
        f.tables.push_back(t);
        f.figures.push_back(points);
    }
}

} // namespace

extern experiment const figure_a3{
    "figure_a3", "Figures A3, A4, A6, Tables A1, A4, A8: completeness", {"circuits"}, run_figure_a3};

} // namespace paper
