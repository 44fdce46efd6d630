#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "comparison.hpp"
#include "figure.hpp"

namespace report {

using cell = std::variant<std::string, double>;

struct table {
    std::string caption;
    std::vector<std::string> columns{};
    std::vector<std::vector<cell>> rows{};

    void add(std::vector<cell> row) { rows.push_back(std::move(row)); }
};

/// Numbers that are kept as an .npy file.
struct kept_array {
    std::string name; ///< of the file, without its suffix
    std::vector<std::size_t> shape{};
    std::vector<double> values{};
};

/// What an experiment found. A page is made of these, and nothing of a page is anywhere else.
struct findings {
    std::string name;                                            ///< one word
    std::string title;                                           ///< "Figure 4: ..."
    std::string method{};                                        ///< what was done, in a few sentences
    std::vector<std::pair<std::string, std::string>> settings{}; ///< prompts, seeds
    std::vector<table> tables{};
    std::vector<figure> figures{};
    std::vector<comparison> comparisons{};
    std::vector<kept_array> arrays{};
    double planned_flops = 0, counted_flops = 0; ///< of sweeps
    double gradient_flops = 0;                   ///< of gradients, as planned

    std::size_t agreeing() const {
        std::size_t count = 0;
        for (auto const& c : comparisons)
            count += c.agrees();
        return count;
    }
};

} // namespace report
