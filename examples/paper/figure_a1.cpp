// Figures A1 and A2: where information flows to the last token and to the query label, by blocking attention.

#include "experiment.hpp"

#include <algorithm>

namespace paper {

namespace {

/// A position before the role's, at random.
eg::role random_before(eg::role const& from, std::uint64_t seed) {
    eg::random random(seed, 2);
    eg::role to{"random", {}, {}};
    for (long const p : from.positions)
        to.positions.push_back(static_cast<long>(random.below(static_cast<std::uint64_t>(p))));
    return to;
}

/// The published curve, as if its layers were as many as those here.
report::series curve(context const& c, std::vector<double> const& y) {
    report::series s{.name = "", .y = y, .published = true};
    for (std::size_t i = 0; i < y.size(); ++i)
        s.x.push_back(1 + static_cast<double>(i) * (c.models.layers() - 1) / (static_cast<double>(y.size()) - 1));
    return s;
}

/// Blocks a role's attention to each of some targets, which have the names of the published curves.
void block(context& c, report::findings& f, report::figure lines, eg::boxes::prompts const& prompts,
           eg::role const& from, std::vector<std::pair<std::string, eg::role>> const& targets) {
    using enum report::relation;
    auto const& base = c.chosen.base().name;
    double const whole = c.models.accuracy(base, prompts),
                 their_whole = c.paper({"table_1", "Llama-7B", "Llama-7B", "whole"});
    lines.levels = {{base, whole}};
    for (auto const& [name, to] : targets) {
        auto const found = c.models.knocked_out(base, prompts, from, to), theirs = c.paper.list({"knockout", name});
        f.arrays.push_back({"knockout_" + name, {found.size()}, found});
        lines.all.push_back({.name = "to " + to.name, .y = found});
        auto const edge = from.name + " to " + to.name;
        if (to.name == "random")
            f.comparisons.push_back(
                {edge + ": blocking it “did not result in a loss of performance”: least share of the accuracy",
                 *std::ranges::min_element(found) / whole, at_least, *std::ranges::min_element(theirs) / their_whole,
                 0.05});
        else
            f.comparisons.push_back({edge + ", blocked in all layers: share of the accuracy that is left",
                                     found.front() / whole, near, theirs.front() / their_whole, 0.15});
        if (to.name == "correct_object")
            f.comparisons.push_back({edge + ", “in the later layers”: share that is left with the upper half blocked",
                                     found[found.size() / 2] / whole, near, theirs[theirs.size() / 2] / their_whole,
                                     0.15});
    }
    for (auto const& target : targets)
        lines.all.push_back(curve(c, c.paper.list({"knockout", target.first})));
    f.figures.push_back(lines);
}

void run_figure_a1(context& c, report::findings& f) {
    f.method =
        "In layers l, l + 1, ... no head at one position may attend to another position; accuracy for each first "
        "layer l. Dashed: the paper’s, of Llama-7B with 32 layers, drawn over as many as there are here.";
    f.settings = {{"prompts", c.prompts_text()}};
    auto const prompts = c.prompts();
    auto const last = prompts.role<eg::last>(), query = prompts.role<eg::query_label>();
    auto const lines = [](char const* name, char const* title) {
        return drawing_of(report::figure::kind::lines, name, title, "first blocked layer", "accuracy");
    };
    block(c, f, lines("knockout_last", "Figure A1: blocked at the last token"), prompts, last,
          {{"correct_object", prompts.role<eg::correct_object>()},
           {"query_label", query},
           {"last_random", random_before(last, c.chosen.seed)}});
    block(c, f, lines("knockout_query", "Figure A2: blocked at the query label"), prompts, query,
          {{"previous_query_label", prompts.role<eg::previous_query_label>()},
           {"query_random", random_before(query, c.chosen.seed + 1)}});
}

} // namespace

extern experiment const figure_a1{"figure_a1", "Figures A1, A2: attention knockout", {}, run_figure_a1};

} // namespace paper
