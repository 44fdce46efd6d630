#include "experiment.hpp"

namespace paper {

extern experiment const circuits, table_1, figure_1, masks, figure_3, figure_4, figure_a1, figure_a3, figure_a5,
    table_a6, table_a11;

std::vector<experiment const*> const& all_experiments() {
    static std::vector<experiment const*> const all{&circuits,  &table_1,   &figure_1, &masks,
                                                    &figure_3,  &table_a11, &figure_4, &figure_a1,
                                                    &figure_a3, &figure_a5, &table_a6};
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

report::figure drawing_of(report::figure::kind how, std::string const& name, std::string const& title,
                          std::string const& x_label, std::string const& y_label) {
    report::figure f{.name = name, .title = title, .how = how, .x_label = x_label, .y_label = y_label};
    f.least = 0, f.most = 1;
    return f;
}

report::figure bars_of(std::string const& name, std::string const& title, std::string const& y_label,
                       std::vector<std::string> const& categories) {
    auto f = drawing_of(report::figure::kind::bars, name, title, "", y_label);
    f.categories = categories;
    return f;
}

report::figure map_of(std::string const& name, std::string const& title, std::vector<std::string> const& rows,
                      std::vector<std::string> const& columns, std::vector<double> const& values) {
    auto f = drawing_of(report::figure::kind::map, name, title, "", "");
    f.rows = rows, f.categories = columns, f.values = values;
    return f;
}

std::vector<std::string> counted(int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i)
        names.push_back(std::to_string(i));
    return names;
}

std::string text_of(std::vector<eg::node> const& heads) {
    std::string text;
    for (auto const n : heads)
        text += (text.empty() ? "L" : ", L") + std::to_string(n.layer) + " H" + std::to_string(n.head);
    return text;
}

} // namespace paper
