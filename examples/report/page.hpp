#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "findings.hpp"
#include "page_style.hpp"
#include "shown.hpp"

namespace report {

/// A report: one HTML file that needs nothing else, neither files nor a network, and has no program in it.
struct page {
    struct section {
        findings found;
        double seconds = 0;
    };

    std::string title;
    std::string introduction{};
    std::vector<std::pair<std::string, std::string>> facts{}; ///< model, prompts, versions, ...
    std::vector<section> sections{};
    std::map<std::string, std::string> drawings{}; ///< SVG by a figure's name. A figure without one, or whose drawing
                                                   ///< is incomplete or contains a script, is only named
    std::vector<std::string> notes{};              ///< what a reader should know first, such as a missing gnuplot
};

namespace detail {

std::string escaped(std::string_view text);

/// A drawing to stand inside a page: without the XML prolog, as wide as there is room, its ids its own.
std::string inlined(std::string svg, std::string const& figure, std::string const& title);

std::string badge(std::size_t agreeing, std::size_t all);

} // namespace detail

std::string html(page const& p);

} // namespace report
