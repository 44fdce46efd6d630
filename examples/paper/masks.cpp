// Section 5.1 and the last columns of Tables A2, A3 and A7: which heads of each group carry what, by DCM.

#include "experiment.hpp"

namespace paper {

namespace {

/// The mask whose heads make the targets most often; none below twice chance, as for the paper's structure readers.
eg::dcm_result const* best_of(std::vector<eg::dcm_result> const& found, std::string const& group, double chance) {
    eg::dcm_result const* best = nullptr;
    for (auto const& one : found)
        if (one.group == group && !one.chosen.empty() && (!best || one.test_accuracy > best->test_accuracy))
            best = &one;
    return best && best->test_accuracy >= 2 * chance ? best : nullptr;
}

void run_masks(context& c, report::findings& f) {
    using enum eg::boxes::hypothesis;
    f.method =
        "A desideratum is a set of triples: an original prompt, an alternate one, and the answer that would follow "
        "if heads carried one thing from the alternate: the object, the label, or the position. For each group and "
        "each desideratum a mask over the group’s heads is trained on the logit of that answer. The heads of the best "
        "one are the group’s functional heads; all of its heads where none reaches twice chance.";
    auto const train = c.chosen.for_training(), rest = c.chosen.examples;
    auto const seed = c.chosen.seed + 4;
    f.settings = {
        {"prompts", eg::message({train, " to train, ", rest, " to choose, ", rest, " to test; seed ", seed})}};
    auto const data =
        eg::dcm_data::split(c.models.desiderata({object, label, position}, train + 2 * rest, seed), train, rest, rest);
    for (auto const& m : c.chosen.searched()) {
        auto circuit = without_empty_groups(c.circuit(m));
        auto const found = c.models.masks(m.name, circuit, data);
        report::table t{
            "Groups of the circuit of " + m.name + " (" + m.published + ")",
            {"group", "heads", "object", "label", "position", "function", "by DCM", "paper: heads", "by DCM"}};
        for (auto& group : circuit.groups) {
            std::vector<report::cell> row{letter(group.name), double(group.heads.size())};
            for (auto const& one : found)
                if (one.group == group.name)
                    row.push_back(one.test_accuracy);
            auto const* best = best_of(found, group.name, c.chosen.chance());
            auto const theirs = [&](char const* what) { return c.paper({"groups", m.published, group.name, what}); };
            double const share = best ? double(best->chosen.size()) / double(group.heads.size()) : 0;
            row.insert(row.end(),
                       {best ? best->desideratum : "–", best ? report::cell(double(best->chosen.size())) : "–",
                        theirs("heads"), theirs("dcm")});
            t.add(row);
            if (!std::isnan(theirs("dcm")))
                f.comparisons.push_back({m.name + ", " + letter(group.name) +
                                             ": share of its heads that carry its function (" + m.published + ")",
                                         share, report::relation::near, theirs("dcm") / theirs("heads"), 0.2});
            if (best)
                group.heads = best->chosen;
        }
        c.kept.write_circuit(m.name + "_functional", circuit);
        f.tables.push_back(t);
    }
}

} // namespace

extern experiment const masks{"masks", "Section 5, Tables A2, A3, A7: functional heads by DCM", {"circuits"}, run_masks};

} // namespace paper
