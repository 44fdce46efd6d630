// Figure 1: the circuit of the base model, and what the heads of each group look at.

#include "experiment.hpp"

#include <algorithm>

namespace paper {

namespace {

/// What the paper says that a group looks at, by the number of a target of lab::attention.
struct expected {
    char const* group;
    std::size_t target;
    char const* statement;
};
constexpr expected all_expected[] = {
    {"value_fetcher", 3, "A: heads “attend mainly to the correct object token”: mean attention of the strongest there"},
    {"position_transmitter", 1, "B: heads attend to the query label: mean attention of the strongest there"},
    {"position_detector", 2, "C: heads attend to the previous query label: mean attention of the strongest there"},
    {"structure_reader", 4,
     "D: heads “primarily attend to tokens in their own segment”: mean attention of the strongest"}};

void run_figure_1(context& c, report::findings& f) {
    auto const& base = c.chosen.base();
    f.method = "Average attention of each head of the circuit of " + base.name + " (before it is pruned), from the " +
               "position of its group to the positions that matter in the task. Heads by score, strongest first.";
    auto const prompts = c.prompts();
    f.settings = {{"prompts", c.prompts_text()}};
    for (auto const& e : all_expected) {
        auto const group = c.by_score(base)[e.group];
        auto const found = c.models.attention(base.name, prompts, group);
        std::vector<std::string> heads;
        double largest = 0;
        for (std::size_t h = 0; h < group.heads.size(); ++h) {
            heads.push_back(text_of({group.heads[h]}));
            largest = std::max(largest, found(h, e.target));
        }
        auto map = map_of("attention_" + group.name, letter(group.name) + ", from " + group.role, heads,
                          {"last", "query label", "previous label", "object", "own segment"}, found.means);
        map.height = static_cast<int>(120 + 20 * heads.size());
        f.arrays.push_back({map.name, {heads.size(), found.targets.size()}, found.means});
        f.figures.push_back(map);
        f.comparisons.push_back({e.statement, largest, report::relation::at_least, 0.5, 0});
    }
}

} // namespace

extern experiment const figure_1{"figure_1", "Figure 1: the circuit and its attention", {"circuits"}, run_figure_1};

} // namespace paper
