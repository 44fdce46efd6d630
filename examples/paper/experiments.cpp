#include "experiment.hpp"

namespace paper {

extern experiment const circuits, table_1, figure_1, figure_3, figure_4, figure_a1, figure_a3, figure_a5, table_a6, table_a11;

std::vector<experiment const*> const& all_experiments() {
    static std::vector<experiment const*> const all{
        &circuits,  &table_1,   &figure_1,
#ifdef PAPER_HAS_MASKS
        &figure_3, &table_a11,
#endif
        &figure_4, &figure_a1, &figure_a3, &figure_a5, &table_a6};
    return all;
}

std::string letter(std::string const& group) {
    if (group == "value_fetcher")
        return "A: value fetchers";
    if (group == "position_transmitter")
        return "B: position transmitters";
    if (group == "position_detector")
        return "C: position detectors";
    if (group == "structure_reader")
        return "D: structure readers";
    return group;
}

std::string text_of(std::vector<eg::node> const& heads) {
    std::string text;
    for (auto const n : heads)
        text += (text.empty() ? "L" : ", L") + std::to_string(n.layer) + " H" + std::to_string(n.head);
    return text;
}

} // namespace paper
