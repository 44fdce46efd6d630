#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/error.hpp>

namespace report {

/// Points with a name; y is NaN where there is none.
struct series {
    std::string name;
    std::vector<double> x{}; ///< empty: 1, 2, ...
    std::vector<double> y{};
    std::vector<double> error{}; ///< half the length of an error bar, for each point; or empty
    std::vector<bool> pale{};    ///< bars that are drawn in grey, for each point; or empty
    bool published = false;      ///< drawn dashed: it was not measured here
};

/// A horizontal line at a number, with its name.
struct level {
    std::string name;
    double y = 0;
};

/// What is drawn, as data. The drawing is a gnuplot script, so that it can be drawn again, or otherwise, without the
/// program.
struct figure {
    enum class kind { lines, points, bars, map };

    std::string name;  ///< of its files, without a suffix: letters, digits, '_', '-' and '.', which is not the first
    std::string title; ///< what a reader is told above the drawing
    kind how = kind::lines;
    std::string x_label{}, y_label{};
    std::vector<series> all{};             ///< lines, points, bars
    std::vector<std::string> categories{}; ///< bars: what stands below each group of bars. map: below each column
    std::vector<std::string> rows{};       ///< map: what stands beside each row, from above
    std::vector<double> values{};          ///< map: [rows, categories], row-major
    std::vector<level> levels{};
    double least = std::numeric_limits<double>::quiet_NaN();
    double most = std::numeric_limits<double>::quiet_NaN(); ///< of y (map: of the colours); NaN: as the data have it
    bool diagonal = false; ///< points: with the line y = x, and x from least to most too
    int width = 560, height = 340;
};

namespace detail {

std::string number(double x);

/// Colours that stay apart for readers who see few. source Okabe and Ito 2008
inline constexpr std::array<char const*, 7> colours{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                    "#56B4E9", "#E69F00", "#555555"};

/// Whether this can be the name of a file that stays in its folder.
bool is_file_name(std::string_view name);

/// Whether an SVG file has its beginning and its end.
bool is_whole_svg(std::string_view svg);

void check(figure const& f);

std::size_t longest(figure const& f);

} // namespace detail

/// The script that draws a figure as NAME.svg and NAME.png into the folder in which gnuplot works.
/// throws bad_input if its name can't be that of a file, or the numbers of values and names do not match
std::string gnuplot_script(figure const& f);

} // namespace report
