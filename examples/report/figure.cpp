#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iomanip>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "figure.hpp"
#include <engraft/core/error.hpp>

namespace report::detail {

/// A text in gnuplot's single quotes. What its enhanced mode would read as a command is shown as it is.
inline std::string gnuplot_text(std::string_view text) {
    std::string q = "'";
    for (char const c : text) {
        if (c == '\'')
            q += '\'';
        if (c == '\n' || c == '\r')
            q += ' ';
        else {
            if (c == '_' || c == '^' || c == '@' || c == '&' || c == '{' || c == '}' || c == '~' || c == '\\')
                q += '\\';
            q += c;
        }
    }
    return q + "'";
}

std::string number(double x) {
    if (!std::isfinite(x))
        return "NaN";
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text << std::setprecision(9) << x;
    return text.str();
}

bool is_file_name(std::string_view name) {
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    return !name.empty() && name.size() <= 120 && name[0] != '.' &&
           name.find_first_not_of(allowed) == std::string_view::npos;
}

bool is_whole_svg(std::string_view svg) {
    auto const last = svg.find_last_not_of(" \t\r\n");
    return last != std::string_view::npos && svg.find("<svg") < last && svg.substr(0, last + 1).ends_with("</svg>");
}

void check(figure const& f) {
    if (!is_file_name(f.name))
        throw engraft::bad_input(
            {"a figure can't be named `", std::string_view(f.name).substr(0, 40),
             "`, since its files get that name; use letters, digits, '_', '-' and '.', which must not come first"});
    for (auto const& s : f.all)
        if ((!s.x.empty() && s.x.size() != s.y.size()) || (!s.error.empty() && s.error.size() != s.y.size()) ||
            (!s.pale.empty() && s.pale.size() != s.y.size()) ||
            (f.how == figure::kind::bars && s.y.size() != f.categories.size()))
            throw engraft::bad_input({"figure `", f.name, "`: the series `", s.name, "` has ", s.y.size(),
                                      " points, and not as many of something else"});
    if (f.how == figure::kind::map && f.values.size() != f.rows.size() * f.categories.size())
        throw engraft::bad_input({"figure `", f.name, "`: ", f.values.size(), " numbers for ", f.rows.size(),
                                  " rows and ", f.categories.size(), " columns"});
}

std::size_t longest(figure const& f) {
    std::size_t most = 0;
    for (auto const& s : f.all)
        most = std::max(most, s.y.size());
    return most;
}

inline void tics(std::ostream& out, char axis, std::vector<std::string> const& names) {
    // Not more than a reader can tell apart.
    auto const every = std::max<std::size_t>(1, (names.size() + 15) / 16);
    out << "set " << axis << "tics out nomirror (";
    for (std::size_t i = 0; i < names.size(); i += every)
        out << (i ? ", " : "") << gnuplot_text(names[i]) << ' ' << i;
    out << ")\n";
}

/// As the figure has it. gnuplot draws no map whose colours have no range: one is put around a single number.
inline std::pair<double, double> range_of_colours(figure const& f) {
    auto values = f.values;
    std::erase_if(values, [](double x) { return !std::isfinite(x); });
    auto const [low, high] = std::ranges::minmax_element(values);
    double const least = std::isnan(f.least) && !values.empty() ? *low : f.least,
                 most = std::isnan(f.most) && !values.empty() ? *high : f.most;
    if (least < most)
        return {f.least, f.most};
    double const middle = std::isnan(least) ? 0 : least;
    return {middle - 1, middle + 1};
}

inline void data_blocks(std::ostream& out, figure const& f) {
    for (std::size_t s = 0; s < f.all.size(); ++s) {
        auto const& one = f.all[s];
        out << "$data" << s << " << EOD\n";
        for (std::size_t i = 0; i < one.y.size(); ++i)
            out << number(one.x.empty() ? double(i + 1) : one.x[i]) << ' ' << number(one.y[i]) << ' '
                << number(one.error.empty() ? 0 : one.error[i]) << ' ' << (!one.pale.empty() && one.pale[i]) << '\n';
        out << "EOD\n";
    }
    if (f.how == figure::kind::map) {
        out << "$map << EOD\n";
        for (std::size_t r = 0; r < f.rows.size(); ++r)
            for (std::size_t c = 0; c < f.categories.size(); ++c)
                out << c << ' ' << r << ' ' << number(f.values[r * f.categories.size() + c]) << '\n';
        out << "EOD\n";
    }
}

/// One line per entry of `plot`.
inline std::vector<std::string> plots(figure const& f) {
    std::vector<std::string> all;
    double const wide = f.all.empty() ? 0 : 0.84 / static_cast<double>(f.all.size());
    for (std::size_t s = 0; s < f.all.size(); ++s) {
        auto const& one = f.all[s];
        std::string const data = "$data" + std::to_string(s), colour = colours[s % colours.size()];
        std::string const title = one.name.empty() ? " notitle" : " title " + gnuplot_text(one.name);
        bool const errors = !one.error.empty();
        if (f.how == figure::kind::lines) {
            all.push_back(data + " using 1:2 with lines lw 2 " + (one.published ? "dt 2 " : "") + "lc rgb '" + colour +
                          "'" + title);
        } else if (f.how == figure::kind::points) {
            all.push_back(data + " using 1:2 with points pt 7 ps 0.8 lc rgb '" + colour + "'" + title);
        } else if (f.how == figure::kind::bars) {
            auto const x = "($0-0.42+" + number((static_cast<double>(s) + 0.5) * wide) + ")";
            auto const w = number(wide * 0.92);
            std::string const look = one.published ? " fs transparent solid 0.35 noborder" : " fs solid 0.9 noborder";
            if (one.pale.empty()) {
                all.push_back(data + " using " + x + ":2:(" + w + ") with boxes" + look + " lc rgb '" + colour + "'" +
                              title);
            } else {
                all.push_back(data + " using " + x + ":($4==0?$2:NaN):(" + w + ") with boxes" + look + " lc rgb '" +
                              colour + "'" + title);
                all.push_back(data + " using " + x + ":($4==1?$2:NaN):(" + w + ") with boxes" + look +
                              " lc rgb '#BBBBBB' notitle");
            }
            if (errors)
                all.push_back(
                    data + " using " + x +
                    ":($2-$3):(0):(2*$3) with vectors heads size screen 0.006,90 lw 1.2 lc rgb '#222222' notitle");
        }
    }
    if (f.how == figure::kind::map)
        all.push_back("$map using 1:2:3 with image pixels notitle");
    if (f.diagonal)
        all.push_back("x with lines lw 1 dt 2 lc rgb '#888888' title 'y = x'");
    for (std::size_t l = 0; l < f.levels.size(); ++l)
        all.push_back(number(f.levels[l].y) + " with lines lw 1.2 dt " + std::to_string(2 + l % 4) +
                      " lc rgb '#333333' title " + gnuplot_text(f.levels[l].name));
    return all;
}

} // namespace report::detail

namespace report {

std::string gnuplot_script(figure const& f) {
    detail::check(f);
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out << "# " << f.name << ": gnuplot draws this as SVG and PNG\n";
    detail::data_blocks(out, f);
    out << "set border 3 lc rgb '#666666'\nset tics nomirror out textcolor rgb '#333333'\nset grid ytics lc rgb "
           "'#E4E4E4' lt 1\n"
           "set key outside top center horizontal samplen 2 textcolor rgb '#222222'\n"
        << "set xlabel " << detail::gnuplot_text(f.x_label) << "\nset ylabel " << detail::gnuplot_text(f.y_label)
        << '\n';
    auto const range = [&](char const* axis, double least, double most) {
        out << "set " << axis << "range [" << (std::isnan(least) ? "*" : detail::number(least)) << ':'
            << (std::isnan(most) ? "*" : detail::number(most)) << "]\n";
    };
    if (f.how == figure::kind::map) {
        out << "unset key\nset border 0\nunset grid\nset palette defined "
            << (f.least >= 0 ? "(0 '#F7F7F7', 0.5 '#6BAED6', 1 '#08306B')"
                             : "(-1 '#B2182B', -0.5 '#F4A582', 0 '#F7F7F7', 0.5 '#92C5DE', 1 '#2166AC')")
            << "\nset xrange [-0.5:" << detail::number(static_cast<double>(f.categories.size()) - 0.5)
            << "]\nset yrange [" << detail::number(static_cast<double>(f.rows.size()) - 0.5) << ":-0.5]\n";
        detail::tics(out, 'x', f.categories);
        detail::tics(out, 'y', f.rows);
        auto const [least, most] = detail::range_of_colours(f);
        range("cb", least, most);
    } else {
        range("y", f.least, f.most);
        if (f.how == figure::kind::lines)
            out << "set xtics " << std::max<std::size_t>(1, (detail::longest(f) + 15) / 16) << '\n';
        if (f.diagonal)
            range("x", f.least, f.most);
        if (f.how == figure::kind::bars) {
            out << "set xrange [-0.6:" << detail::number(static_cast<double>(f.categories.size()) - 0.4) << "]\n";
            detail::tics(out, 'x', f.categories);
        }
    }
    auto const lines = detail::plots(f);
    std::string plot = "plot ";
    for (std::size_t i = 0; i < lines.size(); ++i)
        plot += (i ? ", \\\n     " : "") + lines[i];
    auto const font = "'DejaVu Sans,11'";
    out << "set terminal svg enhanced size " << f.width << ',' << f.height << " font " << font
        << " background 'white'\n"
        << "set output '" << f.name << ".svg'\n"
        << plot << "\nset terminal pngcairo enhanced size " << 2 * f.width << ',' << 2 * f.height << " font " << font
        << " fontscale 2 linewidth 2 background 'white'\nset output '" << f.name << ".png'\nreplot\nunset output\n";
    return out.str();
}

} // namespace report
