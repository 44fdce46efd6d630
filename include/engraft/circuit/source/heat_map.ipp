#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iomanip>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/circuit/heat_map.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft::pictures::detail {

/// The page: as wide as there is room, on screens of any width.
inline constexpr char const* picture_style = R"(
* { box-sizing: border-box; }
body { margin: 0; padding: 24px; background: #f5f6f8; color: #1c2430; font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 8px; }
.maps { display: flex; flex-wrap: wrap; gap: 18px; }
figure { margin: 0; max-width: 100%; background: #fff; border: 1px solid #dde2e8; border-radius: 8px; padding: 14px; }
figcaption { font-weight: 600; }
.scroll { overflow-x: auto; }
svg { display: block; }
@media (max-width: 640px) { body { padding: 12px; } }
)";

inline std::string escaped(std::string_view text) {
    std::string out;
    for (char const c : text)
        if (auto const at = std::string_view("&<>\"'").find(c); at == std::string_view::npos)
            out += c;
        else
            out += std::array{"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}[at];
    return out;
}

/// A number as a reader wants it: whole ones as they are, others with three digits behind the point.
inline std::string shown(double x) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    if (x == std::floor(x) && std::abs(x) < 1e7)
        text << static_cast<long long>(x);
    else if (std::abs(x) >= 1e6 || std::abs(x) < 1e-3)
        text << std::setprecision(3) << x;
    else
        text << std::fixed << std::setprecision(3) << x;
    auto const digits = text.str();
    return digits[0] == '-' ? "−" + digits.substr(1) : digits;
}

/// The bytes of the character that a text begins with, 0 if that is not UTF-8 as RFC 3629 has it.
inline std::size_t utf8_length(std::string_view text) {
    auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    auto const rest = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
    auto const first = byte(0), second = byte(1);
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return rest(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef)
        return rest(1) && rest(2) && !(first == 0xe0 && second < 0xa0) && !(first == 0xed && second > 0x9f) ? 3 : 0;
    if (first >= 0xf0 && first <= 0xf4)
        return rest(1) && rest(2) && rest(3) && !(first == 0xf0 && second < 0x90) && !(first == 0xf4 && second > 0x8f)
                   ? 4
                   : 0;
    return 0;
}

/// What would turn the text around it, or be seen as nothing: controls, and marks of direction.
inline bool is_unseen(std::string_view character) {
    if (character.size() == 1)
        return static_cast<unsigned char>(character[0]) < 0x20 || character[0] == 0x7f;
    if (character.size() == 2)
        return character[0] == '\xc2' && static_cast<unsigned char>(character[1]) < 0xa0;
    auto const third = character.size() == 3 ? static_cast<unsigned char>(character[2]) : 0u;
    return (character.starts_with("\xe2\x80") &&
            ((third >= 0x8b && third <= 0x8f) || (third >= 0xa8 && third <= 0xae))) ||
           (character.starts_with("\xe2\x81") && third >= 0xa0 && third <= 0xaf) || character == "\xef\xbb\xbf" ||
           (character.starts_with("\xef\xbf") && third >= 0xbe); // U+FFFE and U+FFFF, which XML does not have
}

ENGRAFT_BODY std::string shown_label(std::string_view text, std::size_t most) {
    std::string out;
    std::size_t count = 0;
    while (!text.empty()) {
        if (++count == most && text.size() > std::max<std::size_t>(1, utf8_length(text)))
            return out + "…";
        auto const length = utf8_length(text);
        auto const character = text.substr(0, std::max<std::size_t>(1, length));
        if (character == " " && count == 1)
            out += "␣";
        else if (character == "\n")
            out += "⏎";
        else if (length == 0 || is_unseen(character))
            out += "�";
        else
            out += character;
        text.remove_prefix(character.size());
    }
    return out;
}

/// What the colours of some maps say.
struct colour_scale {
    double size = 0;    ///< the largest size of a number
    bool signs = false; ///< whether one is negative

    void add(heat_map const& m) {
        for (double const x : m.values)
            if (std::isfinite(x)) {
                size = std::max(size, std::abs(x));
                signs = signs || x < 0;
            }
    }

    /// White is 0; towards blue above it, towards orange below. source Okabe and Ito 2008, for the two ends
    std::string colour(double x) const {
        double const share = size > 0 ? std::clamp(std::abs(x) / size, 0.0, 1.0) : 0;
        int const end[2][3] = {{0x00, 0x72, 0xb2}, {0xd5, 0x5e, 0x00}};
        char text[8];
        auto const part = [&](int c) {
            return static_cast<unsigned>(std::lround(255 + share * (end[x < 0][c] - 255))) & 255u;
        };
        std::snprintf(text, sizeof text, "#%02x%02x%02x", part(0), part(1), part(2));
        return text;
    }
};

inline void check(heat_map const& m) {
    if (m.values.size() != m.rows.size() * m.columns.size() || m.values.empty())
        throw bad_input({"engraft [picture.cells]: a map of ", m.rows.size(), " rows and ", m.columns.size(),
                         " columns has ", m.values.size(), " numbers; it needs one for each cell, and a cell"});
    if (m.values.size() > picture_cells)
        throw bad_input({"engraft [picture.cells]: a map of ", m.values.size(),
                         " cells is too large to be shown; at "
                         "most ",
                         picture_cells, " are, so choose fewer heads, layers or positions"});
}

/// Room for labels, in the units of the drawing: characters are about 7 wide.
inline double label_width(std::vector<std::string> const& labels) {
    std::size_t longest = 1;
    for (auto const& label : labels) {
        std::size_t characters = 0;
        for (char const c : shown_label(label))
            characters += (static_cast<unsigned char>(c) & 0xc0u) != 0x80u;
        longest = std::max(longest, characters);
    }
    return 7.0 * static_cast<double>(longest) + 8;
}

inline void write_svg(std::ostream& out, heat_map const& m, colour_scale const& scale) {
    check(m);
    double const cell = m.columns.size() > 40 ? 14 : 20;
    double const left = label_width(m.rows) + 18, top = label_width(m.columns) + 22;
    double const width = left + cell * static_cast<double>(m.columns.size()) + 24;
    double const height = top + cell * static_cast<double>(m.rows.size()) + 34;
    out << "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"" << escaped(shown_label(m.title, 200))
        << "\" width=\"" << width << "\" height=\"" << height << "\" viewBox=\"0 0 " << width << ' ' << height
        << "\" font-family=\"ui-monospace, 'DejaVu Sans Mono', monospace\" font-size=\"11\" fill=\"#1c2430\">\n";
    auto const text = [&](double x, double y, std::string const& more, std::string_view label) {
        out << "<text x=\"" << x << "\" y=\"" << y << "\" style=\"unicode-bidi:isolate\" " << more << '>'
            << escaped(label) << "</text>\n";
    };
    text(4, 12, "font-weight=\"600\"", shown_label(m.row_axis + (m.column_axis.empty() ? "" : " × " + m.column_axis)));
    for (std::size_t c = 0; c < m.columns.size(); ++c) {
        double const x = left + cell * (static_cast<double>(c) + 0.5) + 4;
        std::ostringstream turned;
        turned.imbue(std::locale::classic());
        turned << "transform=\"rotate(-90 " << x << ' ' << top - 4 << ")\"";
        text(x, top - 4, turned.str(), shown_label(m.columns[c]));
    }
    for (std::size_t r = 0; r < m.rows.size(); ++r) {
        double const y = top + cell * static_cast<double>(r);
        text(left - 4, y + cell / 2 + 4, "text-anchor=\"end\"", shown_label(m.rows[r]));
        for (std::size_t c = 0; c < m.columns.size(); ++c) {
            double const x = m.values[r * m.columns.size() + c];
            if (std::isnan(x))
                continue;
            out << "<rect x=\"" << left + cell * static_cast<double>(c) << "\" y=\"" << y << "\" width=\"" << cell
                << "\" height=\"" << cell << "\" fill=\"" << scale.colour(x) << "\"><title>"
                << escaped(shown_label(m.rows[r]) + ", " + shown_label(m.columns[c])) << ": " << shown(x)
                << "</title></rect>\n";
        }
    }
    double const bottom = top + cell * static_cast<double>(m.rows.size());
    out << "<rect x=\"" << left << "\" y=\"" << top << "\" width=\"" << cell * static_cast<double>(m.columns.size())
        << "\" height=\"" << bottom - top << "\" fill=\"none\" stroke=\"#dde2e8\"/>\n";
    for (int i = 0; i < 9; ++i) { // the scale
        double const x = scale.signs ? (i - 4) / 4.0 * scale.size : i / 8.0 * scale.size;
        out << "<rect x=\"" << left + 12 * i << "\" y=\"" << bottom + 8 << "\" width=\"12\" height=\"8\" fill=\""
            << scale.colour(x) << "\" stroke=\"#dde2e8\"/>\n";
    }
    text(left, bottom + 28, "", shown(scale.signs ? -scale.size : 0));
    text(left + 108, bottom + 28, "text-anchor=\"end\"", shown(scale.size));
    out << "</svg>\n";
}

} // namespace engraft::pictures::detail

namespace engraft::pictures {

ENGRAFT_BODY std::string svg(heat_map const& m) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    detail::colour_scale scale;
    scale.add(m);
    detail::write_svg(out, m, scale);
    return out.str();
}

ENGRAFT_BODY std::string html(picture const& p) {
    std::size_t cells = 0;
    detail::colour_scale scale;
    for (auto const& m : p.maps) {
        detail::check(m);
        cells += m.values.size();
        scale.add(m);
    }
    if (cells > picture_cells)
        throw bad_input({"engraft [picture.cells]: a picture of ", cells, " cells is too large to be shown; at most ",
                         picture_cells, " are, so choose fewer heads, layers or positions"});
    auto const title = detail::escaped(detail::shown_label(p.title, 200));
    std::ostringstream out;
    out.imbue(std::locale::classic());
    // No script is run, and nothing is fetched, whatever a label is.
    out << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
           "img-src data:\">\n"
        << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" << title
        << "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>" << detail::picture_style
        << "</style>\n</head>\n<body>\n<header>\n<h1>" << title << "</h1>\n<p>"
        << detail::escaped(detail::shown_label(p.caption, 1000))
        << "</p>\n</header>\n<main>\n<section class=\"maps\">\n";
    for (auto const& m : p.maps) {
        out << "<figure><figcaption>" << detail::escaped(detail::shown_label(m.title, 200))
            << "</figcaption><div class=\"scroll\">\n";
        detail::write_svg(out, m, scale);
        out << "</div></figure>\n";
    }
    out << "</section>\n</main>\n</body>\n</html>\n";
    return out.str();
}

} // namespace engraft::pictures
