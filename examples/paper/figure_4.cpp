// Figure 4: which step makes a tuned model better? Activations of each group, from the tuned model into the base model.

#include "experiment.hpp"

#include <engraft/circuit/faithfulness.hpp>

namespace paper {

namespace {

/// What the paper says of a group: the share of the gain that comes with its heads. It draws this and prints no
/// numbers.
void compare(report::findings& f, std::string const& model, std::string const& group, double share) {
    using enum report::relation;
    if (group == "value_fetcher")
        f.comparisons.push_back({model +
                                     ", A: patching them “can solely improve the performance of Llama-7B to that of” "
                                     "the tuned model: share of its gain",
                                 share, near, 1, 0.25});
    else if (group == "position_transmitter")
        f.comparisons.push_back(
            {model + ", B: “a significant performance boost”: share of the gain", share, at_least, 0.15, 0});
    else
        f.comparisons.push_back(
            {model + ", " + letter(group) + ": no boost is reported: share of the gain", share, at_most, 0.15, 0});
}

void run_figure_4(context& c, report::findings& f) {
    f.method =
        "z (or q, k, v) of the functional heads of each group of a tuned model’s circuit is put from that model’s "
        "run on the same prompts into the base model (cross-model activation patching). Random: z of as many heads "
        "at the same position, five draws.";
    auto const prompts = c.prompts();
    auto const& base = c.chosen.base().name;
    f.settings = {{"prompts", c.prompts_text()}};
    double const before = c.models.accuracy(base, prompts);
    for (auto const& m : c.chosen.searched()) {
        if (m.name == base)
            continue;
        double const tuned = c.models.accuracy(m.name, prompts);
        auto const heads = c.functional(m);
        std::vector<eg::circuit> sets, random_sets;
        for (auto const& group : heads.groups)
            sets.push_back({{group}});
        sets.push_back(heads);
        constexpr std::size_t draws = 5;
        eg::random random(c.chosen.seed, 4);
        for (auto const& set : sets)
            for (auto& drawn : eg::random_circuits(set, draws, c.models.layers(), c.models.heads(), random))
                random_sets.push_back(std::move(drawn));

        auto bars = bars_of("cmap_" + m.name, "From " + m.name + " into " + base, "accuracy", {});
        bars.levels = {{base, before}, {m.name, tuned}};
        for (auto const& [what, name] : {std::pair{part::z, "z"}, {part::q, "q"}, {part::k, "k"}, {part::v, "v"}}) {
            bars.all.push_back({.name = name, .y = c.models.swapped(what, base, m.name, prompts, sets)});
            f.arrays.push_back({bars.name + "_" + name, {sets.size()}, bars.all.back().y});
        }
        auto const of_random = c.models.swapped(part::z, base, m.name, prompts, random_sets);
        bars.all.push_back({.name = "z, random heads"});
        report::table t{bars.title, {"group", "heads", "z", "q", "k", "v", "z of random heads", "deviation"}};
        for (std::size_t g = 0; g < sets.size(); ++g) {
            bool const single = g < heads.groups.size();
            auto const at = of_random.begin() + static_cast<std::ptrdiff_t>(g * draws);
            auto const drawn = example::summarize(std::vector<double>(at, at + draws));
            bars.categories.push_back(single ? letter(heads.groups[g].name).substr(0, 1) : "all groups");
            bars.all[4].y.push_back(drawn.mean), bars.all[4].error.push_back(drawn.deviation);
            t.add({single ? letter(heads.groups[g].name) : "all groups", double(heads_of(sets[g])), bars.all[0].y[g],
                   bars.all[1].y[g], bars.all[2].y[g], bars.all[3].y[g], drawn.mean, drawn.deviation});
            if (single)
                compare(f, m.name, heads.groups[g].name, (bars.all[0].y[g] - before) / (tuned - before));
        }
        f.tables.push_back(t);
        f.figures.push_back(bars);
    }
}

} // namespace

extern experiment const figure_4{"figure_4", "Figure 4: cross-model activation patching", {"masks"}, run_figure_4};

} // namespace paper
