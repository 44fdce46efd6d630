// Table A11: what kind of position the position transmitters carry, by eleven alterations of the alternate prompts.

#include "experiment.hpp"

namespace paper {

namespace {

void run_table_a11(context& c, report::findings& f) {
    f.method = "z of the position transmitters that carry position comes from an alternate prompt that tells of its "
               "boxes in another way. "
               "Where the model still answers with the object at the alternate’s position, what they carry is not "
               "disturbed by it.";
    auto const& base = c.chosen.base();
    auto const examples = (c.chosen.examples + 1) / 2;
    f.settings = {{"prompts", std::to_string(c.chosen.repetitions) + " repetitions of " + std::to_string(examples) +
                                  " (seeds from " + std::to_string(c.chosen.seed + 200) + " on)"}};
    std::vector<eg::boxes::hypothesis> eleven;
    for (auto const& h : eg::boxes::all_hypotheses)
        if (h.what >= eg::boxes::hypothesis::text_at_start)
            eleven.push_back(h.what);
    auto const functional = c.functional(base);
    std::vector<eg::exchange> exchanges;
    if (auto const* group = functional.find("position_transmitter"))
        for (std::size_t d = 0; d < eleven.size(); ++d)
            exchanges.push_back({d, group->role, group->heads, {}});
    else
        return;
    std::vector<std::vector<double>> accuracies(eleven.size());
    for (std::size_t r = 0; r < c.chosen.repetitions; ++r) {
        auto const found =
            c.models.follow(base.name, c.models.desiderata(eleven, examples, c.chosen.seed + 200 + r), exchanges);
        for (std::size_t d = 0; d < eleven.size(); ++d)
            accuracies[d].push_back(found[d]);
    }
    report::table t{"Position transmitters of " + base.name,
                    {"alternate prompt", "accuracy", "deviation", "paper: accuracy"}};
    auto bars = bars_of("positions", "Share that follows the position", "accuracy", {});
    bars.all = {{base.name}, {.name = "paper", .published = true}};
    bars.levels = {{"chance", c.chosen.chance()}}, bars.width = 900;
    report::kept_array kept{"positions", {eleven.size(), c.chosen.repetitions}, {}};
    for (std::size_t d = 0; d < eleven.size(); ++d) {
        std::string const name = eg::boxes::name_of(eleven[d]);
        auto const found = example::summarize(accuracies[d]);
        double const theirs = c.paper({"positions", name, "accuracy"});
        auto const words = [&] {
            auto text = name;
            for (char& letter_of_name : text)
                letter_of_name = letter_of_name == '_' ? ' ' : letter_of_name;
            return text;
        }();
        t.add({words, found.mean, found.deviation, theirs});
        bars.categories.push_back(std::to_string(d + 1));
        bars.all[0].y.push_back(found.mean), bars.all[0].error.push_back(found.deviation),
            bars.all[1].y.push_back(theirs);
        kept.values.insert(kept.values.end(), accuracies[d].begin(), accuracies[d].end());
        f.comparisons.push_back(
            {std::to_string(d + 1) + ", " + words + ": follow the position (" + base.published + ")", found.mean,
             report::relation::near, theirs, 0.1});
    }
    f.arrays.push_back(kept);
    f.tables.push_back(t);
    f.figures.push_back(bars);
}

} // namespace

extern experiment const table_a11{"table_a11", "Table A11: what position is", {"masks"}, run_table_a11};

} // namespace paper
