// Figure 1: the circuit of the base model, and what the heads of each group look at.

#include "experiment.hpp"

#include <algorithm>

namespace paper {

namespace {

void run(context& c, report::findings& f) {
    f.method = "Average attention of each head of the circuit of " + c.chosen.base().name +
               ", from the position of its group, to the positions that matter in the task. Heads by score, strongest first.";
    auto const prompts = c.prompts();
    f.settings = {{"prompts", std::to_string(c.chosen.examples) + ", seed " + std::to_string(c.chosen.seed)}};
    // What the paper says that the groups look at, by the number of the target below.
    struct expected {
        char const* group;
        std::size_t target;
        char const* statement;
    };
    static constexpr expected all[] = {
        {"value_fetcher", 3, "A: “attend mainly to the correct object token”: largest of its heads’ mean attention there"},
        {"position_transmitter", 1, "B: at the last token, heads attend to the query label: largest mean attention"},
        {"position_detector", 2, "C: at the query label, heads attend to the previous query label: largest mean attention"},
        {"structure_reader", 4, "D: “primarily attend to tokens in their own segment”: largest mean attention"}};
    for (auto const& e : all) {
        auto const group = c.by_score(c.chosen.base())[e.group];
        auto const found = c.models.attention(c.chosen.base().name, prompts, group);
        report::figure map{.name = "attention_" + group.name,
                           .title = letter(group.name) + ", from " + group.role,
                           .how = report::figure::kind::map,
                           .categories = {"last", "query label", "previous label", "object", "own segment"},
                           .values = found.means,
                           .least = 0,
                           .most = 1,
                           .height = static_cast<int>(120 + 20 * group.heads.size())};
        double largest = 0;
        std::size_t there = 0;
        for (std::size_t h = 0; h < group.heads.size(); ++h) {
            map.rows.push_back(text_of({group.heads[h]}));
            largest = std::max(largest, found(h, e.target));
            there += found(h, e.target) >= 0.4;
        }
        f.arrays.push_back({"attention_" + group.name, {group.heads.size(), found.targets.size()}, found.means});
        f.figures.push_back(map);
        f.comparisons.push_back({e.statement, largest, report::relation::at_least, 0.5, 0});
    }
}

} // namespace

extern experiment const figure_1{"figure_1", "Figure 1: the circuit and its attention", {"circuits"}, run};

} // namespace paper
