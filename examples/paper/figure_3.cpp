// Figures 2, 3, A8, A9 and the last column of Tables A2, A3, A7: what each group of a circuit carries.

#include "experiment.hpp"

#ifdef PAPER_HAS_MASKS
namespace paper {

namespace {

constexpr char const* statements[][2] = {{"value_fetcher", "object"}, {"position_transmitter", "position"}, {"position_detector", "position"}};

/// The heads that DCM chose for the desideratum whose targets they make most often; all heads of a group for which
/// there is none: the paper's structure readers.
eg::circuit functional_heads(eg::circuit const& circuit, std::vector<eg::dcm_result> const& found, report::table& t, context const& c, model_entry const& m) {
    eg::circuit functional = circuit;
    for (auto& group : functional.groups) {
        eg::dcm_result const* best = nullptr;
        for (auto const& one : found)
            if (one.group == group.name && (!best || one.test_accuracy > best->test_accuracy))
                best = &one;
        bool const known = best && best->test_accuracy >= 2.0 / 7 && !best->chosen.empty();
        t.add({letter(group.name), double(group.heads.size()), known ? best->desideratum : "–", known ? report::cell(best->test_accuracy) : "–",
               known ? report::cell(double(best->chosen.size())) : "–", c.paper({"groups", m.published, group.name, "heads"}), c.paper({"groups", m.published, group.name, "dcm"})});
        if (known)
            group.heads = best->chosen;
    }
    return functional;
}

void run(context& c, report::findings& f) {
    using enum eg::boxes::hypothesis;
    f.method = "A desideratum is a set of triples: an original prompt, an alternate one, and the answer that would follow if "
               "heads carried one thing (the object, the label, the position) from the alternate. DCM trains a mask over a group’s heads for "
               "each; the heads of the best one are then patched in all models, with other prompts.";
    std::vector const three{object, label, position};
    auto const train = c.chosen.for_training(), each = c.chosen.examples;
    f.settings = {{"prompts", std::to_string(train) + " to train masks, " + std::to_string(each) + " to choose, " + std::to_string(each) + " to test (seed " +
                                  std::to_string(c.chosen.seed + 4) + "); then " + std::to_string(c.chosen.repetitions) + " repetitions of " + std::to_string(each) +
                                  " (seeds from " + std::to_string(c.chosen.seed + 100) + " on)"}};
    auto const data = eg::dcm_data::split(c.models.desiderata(three, train + 2 * each, c.chosen.seed + 4), train, each, each);
    std::vector<eg::exchange> exchanges; // of all circuits, so that their runs are shared
    std::vector<eg::circuit> functional;
    for (auto const& m : c.chosen.searched()) {
        auto const circuit = without_empty_groups(c.circuit(m));
        report::table t{"Groups of the circuit of " + m.name + " (" + m.published + ")", {"group", "heads", "function", "test accuracy", "by DCM", "paper: heads", "by DCM"}};
        functional.push_back(functional_heads(circuit, c.models.masks(m.name, circuit, data), t, c, m));
        c.kept.write_circuit(m.name + "_functional", functional.back());
        f.tables.push_back(t);
        for (auto const& e : eg::whole_groups(functional.back(), three.size()))
            exchanges.push_back(e);
    }

    std::map<std::string, std::vector<std::vector<double>>> accuracies; // model -> exchange -> repetition
    for (auto const& m : c.chosen.models)
        for (std::size_t r = 0; r < c.chosen.repetitions; ++r) {
            auto const found = c.models.follow(m.name, c.models.desiderata(three, each, c.chosen.seed + 100 + r), exchanges);
            auto& of_model = accuracies[m.name];
            of_model.resize(exchanges.size());
            for (std::size_t e = 0; e < found.size(); ++e)
                of_model[e].push_back(found[e]);
        }

    std::size_t next = 0;
    for (std::size_t i = 0; i < functional.size(); ++i) {
        auto const of = c.chosen.searched()[i];
        for (auto const& group : functional[i].groups) {
            report::figure bars{.name = "patching_" + of.name + "_" + group.name, .title = "Circuit of " + of.name + ", " + letter(group.name),
                                .how = report::figure::kind::bars, .y_label = "follow the target", .categories = {"object", "label", "position"},
                                .levels = {{"chance", 1.0 / 7}}, .least = 0, .most = 1};
            report::table t{"Circuit of " + of.name + ", " + letter(group.name), {"model", "object", "label", "position", "paper: object", "label", "position"}};
            for (auto const& m : c.chosen.models) {
                report::series s{.name = m.name};
                std::vector<report::cell> row{m.name}, theirs;
                for (std::size_t d = 0; d < three.size(); ++d) {
                    auto const found = eg::summarize(accuracies[m.name][next + d]);
                    s.y.push_back(found.mean), s.error.push_back(found.deviation);
                    row.push_back(found.mean);
                    theirs.push_back(c.paper({"patching", of.published, m.published, group.name, eg::boxes::name_of(three[d]), "mean"}));
                    for (auto const& [name, function] : statements)
                        if (group.name == name && function == std::string(eg::boxes::name_of(three[d])))
                            f.comparisons.push_back({"circuit of " + of.name + " in " + m.name + ", " + letter(name) + ": follow the " + function + " (" + of.published + "’s in " + m.published + ")",
                                                     found.mean, report::relation::near, c.paper({"patching", of.published, m.published, group.name, function, "mean"}), 0.1});
                }
                f.arrays.push_back({"patching_" + of.name + "_" + group.name + "_" + m.name, {three.size(), c.chosen.repetitions}, {}});
                for (std::size_t d = 0; d < three.size(); ++d)
                    f.arrays.back().values.insert(f.arrays.back().values.end(), accuracies[m.name][next + d].begin(), accuracies[m.name][next + d].end());
                row.insert(row.end(), theirs.begin(), theirs.end());
                t.add(row);
                bars.all.push_back(s);
            }
            next += three.size();
            f.tables.push_back(t);
            f.figures.push_back(bars);
        }
    }
}

} // namespace

extern experiment const figure_3{"figure_3", "Figures 2, 3, A8, A9: what the groups carry (DCM, activation patching)", {"circuits"}, run};

} // namespace paper
#endif
