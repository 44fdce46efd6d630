#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "findings.hpp"
#include "page.hpp"
#include "page_style.hpp"
#include "shown.hpp"

namespace report::detail {

std::string escaped(std::string_view text) {
    std::string e;
    for (char const c : text)
        switch (c) {
        case '&':
            e += "&amp;";
            break;
        case '<':
            e += "&lt;";
            break;
        case '>':
            e += "&gt;";
            break;
        case '"':
            e += "&quot;";
            break;
        case '\'':
            e += "&#39;";
            break;
        default:
            e += c;
        }
    return e;
}

/// Whether a drawing has nothing in it that a browser would run.
inline bool is_still(std::string svg) {
    std::ranges::transform(svg, svg.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    for (auto const* part : {"<script", "<foreignobject", "javascript:"})
        if (svg.find(part) != std::string::npos)
            return false;
    for (std::size_t at = 0; (at = svg.find("on", at)) != std::string::npos; ++at) { // onload="..."
        auto const end = svg.find_first_not_of("abcdefghijklmnopqrstuvwxyz", at);
        if (at > 0 && std::string_view(" \t\r\n/\"'").find(svg[at - 1]) != std::string_view::npos &&
            svg.find_first_not_of(" \t\r\n", end) == svg.find('=', end) && end != std::string::npos)
            return false;
    }
    return true;
}

inline std::string shown_rule(comparison const& c) {
    auto const tolerance = c.tolerance == 0 ? std::string() : shown(c.tolerance);
    switch (c.rule) {
    case relation::near:
        return "within " + shown(c.tolerance) + " of " + shown(c.there);
    case relation::at_least:
        return "at least " + shown(c.there) + (tolerance.empty() ? "" : " − " + tolerance);
    case relation::at_most:
        return "at most " + shown(c.there) + (tolerance.empty() ? "" : " + " + tolerance);
    }
    return {};
}

std::string inlined(std::string svg, std::string const& figure, std::string const& title) {
    auto const name = escaped(figure);
    svg.erase(0, svg.find("<svg"));
    for (auto const& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"id=\"", "id=\"" + name + "-"},
                                                          {"id='", "id='" + name + "-"},
                                                          {"xlink:href='#", "xlink:href='#" + name + "-"},
                                                          {"xlink:href=\"#", "xlink:href=\"#" + name + "-"},
                                                          {"url(#", "url(#" + name + "-"}})
        for (std::size_t at = 0; (at = svg.find(from, at)) != std::string::npos; at += to.size())
            svg.replace(at, from.size(), to);
    svg.insert(4, " role=\"img\" aria-label=\"" + escaped(title) + "\"");
    return svg;
}

inline void write_table(std::ostream& out, table const& t) {
    out << "<div class=\"scroll\"><table><caption>" << escaped(t.caption) << "</caption>\n<thead><tr>";
    std::vector<bool> numeric(t.columns.size(), false);
    for (std::size_t c = 0; c < t.columns.size(); ++c) {
        for (auto const& row : t.rows)
            numeric[c] = numeric[c] || (c < row.size() && std::holds_alternative<double>(row[c]));
        out << "<th" << (numeric[c] ? " class=\"n\"" : "") << '>' << escaped(t.columns[c]) << "</th>";
    }
    out << "</tr></thead>\n<tbody>\n";
    for (auto const& row : t.rows) {
        out << "<tr>";
        for (std::size_t c = 0; c < row.size(); ++c) {
            out << "<td" << (c < numeric.size() && numeric[c] ? " class=\"n\"" : "") << '>';
            if (auto const* number = std::get_if<double>(&row[c]))
                out << shown(*number);
            else
                out << escaped(std::get<std::string>(row[c]));
            out << "</td>";
        }
        out << "</tr>\n";
    }
    out << "</tbody></table></div>\n";
}

std::string badge(std::size_t agreeing, std::size_t all) {
    if (all == 0)
        return {};
    std::ostringstream b;
    b << "<span class=\"badge "
      << (agreeing == all ? "yes"
          : agreeing == 0 ? "no"
                          : "some")
      << "\">" << agreeing << " of " << all << " agree</span>";
    return b.str();
}

inline void write_comparisons(std::ostream& out, std::vector<comparison> const& all) {
    if (all.empty())
        return;
    out << "<div class=\"scroll\"><table class=\"claims\"><caption>The paper, and here</caption>\n<thead><tr><th>the "
           "paper "
           "says</th><th class=\"n\">here</th><th>to agree</th><th></th></tr></thead>\n<tbody>\n";
    for (auto const& c : all)
        out << "<tr><td>" << escaped(c.statement) << "</td><td class=\"n\">" << shown(c.here) << "</td><td>"
            << shown_rule(c) << "</td><td>"
            << (c.agrees() ? "<span class=\"badge yes\">agrees</span>" : "<span class=\"badge no\">does not</span>")
            << "</td></tr>\n";
    out << "</tbody></table></div>\n";
}

inline void write_facts(std::ostream& out, std::vector<std::pair<std::string, std::string>> const& facts) {
    if (facts.empty())
        return;
    out << "<dl>";
    for (auto const& [name, value] : facts)
        out << "<dt>" << escaped(name) << "</dt><dd>" << escaped(value) << "</dd>";
    out << "</dl>\n";
}

inline void write_section(std::ostream& out, page const& p, page::section const& s) {
    auto const& f = s.found;
    out << "<section id=\"" << escaped(f.name) << "\">\n<h2>" << escaped(f.title) << "</h2>\n"
        << badge(f.agreeing(), f.comparisons.size()) << "\n<p>" << escaped(f.method) << "</p>\n";
    if (!f.figures.empty()) {
        out << "<div class=\"figures\">\n";
        for (auto const& one : f.figures) {
            out << "<figure id=\"" << escaped(one.name) << "\"><figcaption>" << escaped(one.title) << "</figcaption>";
            auto const drawn = p.drawings.find(one.name);
            if (drawn != p.drawings.end() && is_whole_svg(drawn->second) && is_still(drawn->second))
                out << inlined(drawn->second, one.name, one.title);
            else
                out << "<p class=\"missing\">not drawn</p>";
            out << "</figure>\n";
        }
        out << "</div>\n";
    }
    write_comparisons(out, f.comparisons);
    for (auto const& t : f.tables)
        write_table(out, t);
    auto facts = f.settings;
    facts.push_back({"seconds", shown(std::round(s.seconds * 10) / 10)});
    if (f.planned_flops > 0)
        facts.push_back({"GFLOP of sweeps", shown(std::round(f.planned_flops / 1e7) / 100) + " planned, " +
                                                shown(std::round(f.counted_flops / 1e7) / 100) + " counted"});
    if (f.gradient_flops > 0)
        facts.push_back({"GFLOP of gradients", shown(std::round(f.gradient_flops / 1e7) / 100) + " planned"});
    write_facts(out, facts);
    out << "</section>\n";
}

} // namespace report::detail

namespace report {

std::string html(page const& p) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    std::size_t agreeing = 0, all = 0;
    for (auto const& s : p.sections)
        agreeing += s.found.agreeing(), all += s.found.comparisons.size();
    out << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           // Whatever a drawing has in it: no script is run, and nothing is fetched.
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
           "img-src data:\">\n"
        << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
        << detail::escaped(p.title) << "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>" << detail::page_style
        << "</style>\n</head>\n<body>\n<header>\n<h1>" << detail::escaped(p.title) << "</h1>\n<p>"
        << detail::escaped(p.introduction) << "</p>\n";
    for (auto const& note : p.notes)
        out << "<p class=\"note\">" << detail::escaped(note) << "</p>\n";
    out << "</header>\n<nav>\n<p class=\"total\"><strong>" << agreeing << "</strong> of <strong>" << all
        << "</strong> comparisons with the paper agree</p>\n<ul>\n";
    for (auto const& s : p.sections)
        out << "<li><a href=\"#" << detail::escaped(s.found.name) << "\">" << detail::escaped(s.found.title) << "</a> "
            << detail::badge(s.found.agreeing(), s.found.comparisons.size()) << "</li>\n";
    out << "</ul>\n</nav>\n<main>\n";
    for (auto const& s : p.sections)
        detail::write_section(out, p, s);
    out << "</main>\n<footer>\n<h2>How this was made</h2>\n";
    detail::write_facts(out, p.facts);
    out << "</footer>\n</body>\n</html>\n";
    return out.str();
}

} // namespace report
