// Two circuits compared, group by group: what they have in common, precision, recall and Jaccard index, as in Tables A6
// and A10 of Prakash et al. 2024. No model is run.
// test: @PAIR@/circuit.json @PAIR@/circuit.json
// refused: nowhere.json nowhere.json
// refused: @PAIR@/circuit.json
// refused: @PAIR@/circuit.json @PAIR@/base/config.json

#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/overlap.hpp>
#include <engraft/io/circuit_file.hpp>

#include "program.hpp"

namespace eg = engraft;

int main(int argc, char** argv) {
    example::options app("Compares two circuits: intersection, precision, recall and Jaccard index of each group.",
                         "compare_circuits");
    std::vector<std::string> files;
    app.add("circuit", files, "Two circuits: JSON, as write_circuit writes it");

    return example::run(app, argc, argv, [&] {
        if (files.size() != 2)
            throw eg::bad_input({"two circuits are compared, and ", files.size(), " files are given"});
        auto const first = eg::read_circuit(files[0], eg::group_order::as_written);
        auto const second = eg::read_circuit(files[1], eg::group_order::as_written);
        auto lines = eg::overlap_by_group(first, second);
        lines.push_back(eg::overlap_of(first, second));

        example::json numbers{{"first", files[0]}, {"second", files[1]}};
        auto const share = [](double x) {
            std::ostringstream text;
            if (std::isnan(x))
                text << '-';
            else
                text << std::fixed << std::setprecision(2) << x;
            return text.str();
        };
        std::cout << "group                     first  second  intersection  precision  recall  Jaccard\n";
        for (auto const& line : lines) {
            std::cout << std::left << std::setw(24) << line.name << std::right << std::setw(7) << line.first
                      << std::setw(8) << line.second << std::setw(14) << line.common << std::setw(11)
                      << share(line.precision()) << std::setw(8) << share(line.recall()) << std::setw(9)
                      << share(line.jaccard()) << '\n';
            numbers["groups"].push_back({{"group", line.name},
                                         {"first", line.first},
                                         {"second", line.second},
                                         {"intersection", line.common},
                                         {"precision", line.precision()},
                                         {"recall", line.recall()},
                                         {"jaccard", line.jaccard()}});
        }
        return numbers;
    });
}
