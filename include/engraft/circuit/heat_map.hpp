#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>

namespace engraft::pictures {

/// Numbers in rows and columns, each a coloured cell. Labels may be any bytes, such as tokens of prompts.
struct heat_map {
    std::string title;
    std::string row_axis{}, column_axis{}; ///< what rows and columns are: "layer", "head"
    std::vector<std::string> rows{}, columns{};
    std::vector<double> values{}; ///< [rows, columns], row-major; NaN where there is none
};

/// Heat maps on one page. All share one scale of colours: from 0 on, or, if a value is negative, to both sides of 0.
struct picture {
    std::string title;
    std::string caption{}; ///< what the numbers are, in a sentence
    std::vector<heat_map> maps{};
};

/// The most cells of a picture: more would be more than browsers show at once.
inline constexpr std::size_t picture_cells = 400000;

/// One HTML file that needs nothing else, neither files nor a network, and has no program in it. Each cell shows its
/// number when it is pointed at.
/// throws bad_input if a map's numbers are not as many as its rows and columns have cells, or there are too many
std::string html(picture const& p);

/// One map as an SVG file of its own. throws as `html`
std::string svg(heat_map const& m);

namespace detail {

/// A label as one line of valid UTF-8 that a reader can tell from others: a space in front is "␣", a line break "⏎",
/// other control characters and what is not UTF-8 "�". At most `most` characters, the last of them "…" if there are
/// more.
std::string shown_label(std::string_view text, std::size_t most = 24);

} // namespace detail
} // namespace engraft::pictures

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/heat_map.ipp>
#endif
