// Figure 4: which step makes a tuned model better? Activations of each group, from the tuned model into the base model.

#include "experiment.hpp"

#include <engraft/circuit/faithfulness.hpp>

namespace paper {

namespace {

void run(context& c, report::findings& f) {
    f.method = "z (or q, k, v) of the functional heads of each group of a tuned model’s circuit is put from that model’s run on the same prompts "
               "into the base model (cross-model activation patching). Random: as many heads at the same position, five draws.";
    auto const prompts = c.prompts();
    auto const& base = c.chosen.base().name;
    f.settings = {{"prompts", c.prompts_text()}};
    double const before = c.models.accuracy(base, prompts);
    for (auto const& m : c.chosen.searched()) {
        if (m.name == base)
            continue;
        double const tuned = c.models.accuracy(m.name, prompts);
        auto const heads = c.functional(m);
        std::vector<eg::circuit> sets;
        for (auto const& group : heads.groups)
            sets.push_back({{group}});
        sets.push_back(heads);
        constexpr std::size_t draws = 5;
        eg::random random(c.chosen.seed, 4);
        for (std::size_t g = 0; g <= heads.groups.size(); ++g)
            for (auto const& drawn : eg::random_circuits(sets[g], draws, c.models.layers(), c.models.heads(), random))
                sets.push_back(drawn);

        report::table t{"From " + m.name + " into " + base, {"group", "heads", "z", "q", "k", "v", "z of random heads", "deviation"}};
        report::figure bars{.name = "cmap_" + m.name, .title = "From " + m.name + " into " + base, .how = report::figure::kind::bars, .y_label = "accuracy",
                            .levels = {{base, before}, {m.name, tuned}}, .least = 0, .most = 1};
        std::vector<std::vector<double>> by_part;
        for (auto const [what, name] : {std::pair{part::z, "z"}, {part::q, "q"}, {part::k, "k"}, {part::v, "v"}}) {
            by_part.push_back(c.models.swapped(what, base, m.name, prompts, sets));
            bars.all.push_back({.name = name});
            f.arrays.push_back({"cmap_" + m.name + "_" + name, {sets.size()}, by_part.back()});
        }
        bars.all.push_back({.name = "z, random heads"});
        for (std::size_t g = 0; g <= heads.groups.size(); ++g) {
            auto const name = g < heads.groups.size() ? letter(heads.groups[g].name) : "all groups";
            auto const first = by_part[0].begin() + static_cast<std::ptrdiff_t>(heads.groups.size() + 1 + g * draws);
            auto const random_heads = eg::summarize(std::vector<double>(first, first + draws));
            t.add({name, double(heads_of(sets[g])), by_part[0][g], by_part[1][g], by_part[2][g], by_part[3][g], random_heads.mean, random_heads.deviation});
            bars.categories.push_back(name.substr(0, name.find(':')));
            for (std::size_t p = 0; p < by_part.size(); ++p)
                bars.all[p].y.push_back(by_part[p][g]);
            bars.all.back().y.push_back(random_heads.mean), bars.all.back().error.push_back(random_heads.deviation);
            // The share of the gain that comes with these heads; the paper draws it and prints no numbers.
            double const share = (by_part[0][g] - before) / (tuned - before);
            if (g < heads.groups.size() && heads.groups[g].name == "value_fetcher")
                f.comparisons.push_back({m.name + ", A: patching them “can solely improve” the base model “to that of” the tuned one: share of the gain", share, report::relation::near, 1, 0.25});
            if (g < heads.groups.size() && heads.groups[g].name == "position_transmitter")
                f.comparisons.push_back({m.name + ", B: “a significant performance boost”: share of the gain", share, report::relation::at_least, 0.15, 0});
            if (g < heads.groups.size() && (heads.groups[g].name == "position_detector" || heads.groups[g].name == "structure_reader"))
                f.comparisons.push_back({m.name + ", " + name + ": no gain is reported: share of it", share, report::relation::at_most, 0.15, 0});
        }
        f.tables.push_back(t);
        f.figures.push_back(bars);
    }
}

} // namespace

extern experiment const figure_4{"figure_4", "Figure 4: cross-model activation patching", 
#ifdef PAPER_HAS_MASKS
                          {"figure_3"},
#else
                          {"circuits"},
#endif
                          run};

} // namespace paper
