// Tables A6 and A10: heads that a tuned model's circuit has in common with the base model's.

#include "experiment.hpp"

#include <engraft/circuit/overlap.hpp>

namespace paper {

namespace {

void run_table_a6(context& c, report::findings& f) {
    f.method =
        "Group by group: heads in both circuits; precision is their share of the base model’s circuit, recall of the "
        "tuned model’s (the paper’s words).";
    auto const base = c.circuit(c.chosen.base());
    for (auto const& m : c.chosen.searched()) {
        if (m.name == c.chosen.base().name)
            continue;
        report::table t{"Circuits of " + c.chosen.base().name + " and " + m.name + " (Llama-7B and " + m.published +
                            ")",
                        {"group", c.chosen.base().name, m.name, "both", "precision", "recall", "paper: Llama-7B",
                         m.published, "both", "precision", "recall"}};
        auto lines = eg::overlap_by_group(base, c.circuit(m));
        for (auto const& line : lines) {
            auto const theirs = [&](char const* what) { return c.paper({"overlap", m.published, line.name, what}); };
            t.add({letter(line.name), double(line.first), double(line.second), double(line.common), line.precision(),
                   line.recall(), theirs("first"), theirs("second"), theirs("common"), theirs("precision"),
                   theirs("recall")});
            if (line.first > 0)
                f.comparisons.push_back({m.name + ", " + letter(line.name) +
                                             ": share of the base circuit’s heads that its circuit has too (" +
                                             m.published + ")",
                                         line.precision(), report::relation::near, theirs("precision"), 0.15});
        }
        auto const all = eg::overlap_of(base, c.circuit(m));
        t.add({"all", double(all.first), double(all.second), double(all.common), all.precision(), all.recall()});
        f.tables.push_back(t);
    }
}

} // namespace

extern experiment const table_a6{"table_a6", "Tables A6, A10: overlap of circuits", {"circuits"}, run_table_a6};

} // namespace paper
