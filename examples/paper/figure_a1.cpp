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
report::series curve(context const& c, std::string const& name, std::vector<double> const& y) {
    report::series s{.name = name, .y = y, .published = true};
    double const last = c.models.layers() - 1, theirs = static_cast<double>(y.size()) - 1;
    for (std::size_t i = 0; i < y.size(); ++i)
        s.x.push_back(1 + static_cast<double>(i) * last / theirs);
    return s;
}

void run(context& c, report::findings& f) {
    f.method = "In layers l, l + 1, ... no head at one position may attend to another position; accuracy for each first "
               "layer l. Dashed: the paper’s, of Llama-7B with 32 layers, drawn over as many as there are here.";
    auto const prompts = c.prompts();
    auto const& base = c.chosen.base().name;
    f.settings = {{"prompts", std::to_string(c.chosen.examples) + ", seed " + std::to_string(c.chosen.seed)}};
    double const whole = c.models.accuracy(base, prompts);
    auto const last = prompts.role<eg::last>(), query = prompts.role<eg::query_label>();

    auto const draw = [&](std::string const& name, std::string const& title, eg::role const& from,
                          std::vector<std::pair<std::string, eg::role>> const& targets) {
        report::figure lines{.name = name, .title = title, .x_label = "first blocked layer", .y_label = "accuracy",
                             .levels = {{base, whole}}, .least = 0, .most = 1};
        for (auto const& [published, to] : targets) {
            auto const accuracies = c.models.knocked_out(base, prompts, from, to);
            f.arrays.push_back({"knockout_" + published, {accuracies.size()}, accuracies});
            lines.all.push_back({.name = "to " + to.name, .y = accuracies});
            auto const theirs = c.paper.list({"knockout", published});
            bool const random = to.name == "random";
            if (random)
                f.comparisons.push_back({from.name + " to a random position: no “loss of performance”; least accuracy of any l, "
                                         "relative to the model’s (paper: " + report::shown(*std::ranges::min_element(theirs) / 0.66) + ")",
                                         *std::ranges::min_element(accuracies) / whole, report::relation::at_least, 0.95, 0.05});
            else
                f.comparisons.push_back({from.name + " to " + to.name + ", blocked everywhere: accuracy relative to the model’s",
                                         accuracies.front() / whole, report::relation::near, theirs.front() / 0.66, 0.15});
            if (to.name == "correct_object")
                f.comparisons.push_back({"heads “in the later layers attend to the correct object”: accuracy with the upper half blocked, relative",
                                         accuracies[accuracies.size() / 2] / whole, report::relation::at_most,
                                         theirs[theirs.size() / 2] / 0.66, 0.15});
        }
        auto const measured = lines.all.size();
        for (std::size_t i = 0; i < measured; ++i)
            lines.all.push_back(curve(c, "", c.paper.list({"knockout", targets[i].first})));
        f.figures.push_back(lines);
    };
    draw("knockout_last", "Figure A1: blocked at the last token", last,
         {{"correct_object", prompts.role<eg::correct_object>()}, {"query_label", query}, {"last_random", random_before(last, c.chosen.seed)}});
    draw("knockout_query", "Figure A2: blocked at the query label", query,
         {{"previous_query_label", prompts.role<eg::previous_query_label>()}, {"query_random", random_before(query, c.chosen.seed + 1)}});
}

} // namespace

extern experiment const figure_a1{"figure_a1", "Figures A1, A2: attention knockout", {}, run};

} // namespace paper
