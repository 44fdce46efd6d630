#include "catch.hpp"

#include <limits>

#include <engraft/report/page.hpp>

namespace report = engraft::report;
using report::comparison;
using report::relation;

TEST_CASE("a comparison agrees by its rule and tolerance") {
    auto const agrees = [](double here, relation rule, double there, double tolerance) {
        return comparison{"", here, rule, there, tolerance}.agrees();
    };
    CHECK(agrees(0.70, relation::near, 0.66, 0.05));
    CHECK(!agrees(0.72, relation::near, 0.66, 0.05));
    CHECK(!agrees(0.60, relation::near, 0.66, 0.05));
    CHECK(agrees(0.62, relation::at_least, 0.66, 0.05));
    CHECK(agrees(0.99, relation::at_least, 0.66, 0));
    CHECK(!agrees(0.60, relation::at_least, 0.66, 0.05));
    CHECK(agrees(0.02, relation::at_most, 0.02, 0));
    CHECK(!agrees(0.08, relation::at_most, 0.02, 0.05));
    double const none = std::numeric_limits<double>::quiet_NaN();
    for (auto const rule : {relation::near, relation::at_least, relation::at_most}) {
        CHECK(!agrees(none, rule, 0.5, 1));
        CHECK(!agrees(0.5, rule, none, 1));
    }
}

TEST_CASE("numbers as a reader wants them") {
    CHECK(report::shown(3) == "3");
    CHECK(report::shown(0.66) == "0.660");
    CHECK(report::shown(-1e-9) == "0.000");
    CHECK(report::shown(-0.0625) == "−0.062");
    CHECK(report::shown(std::numeric_limits<double>::quiet_NaN()) == "–");
    CHECK(report::shown(-std::numeric_limits<double>::infinity()) == "−∞");
}

TEST_CASE("a figure is a gnuplot script") {
    report::figure bars{.name = "bars",
                        .title = "Bars",
                        .how = report::figure::kind::bars,
                        .all = {{.name = "it's a_b", .y = {0.25, 0.5}, .error = {0.125, 0}}},
                        .categories = {"one", "two"},
                        .least = 0};
    auto const script = report::gnuplot_script(bars);
    CHECK(script.find("title 'it''s a\\_b'") != std::string::npos);
    CHECK(script.find("\n2 0.5 0 0\n") != std::string::npos);
    CHECK(script.find("set yrange [0:*]") != std::string::npos);
    CHECK(script.find("set output 'bars.svg'") != std::string::npos);
    CHECK(script.find("with vectors heads") != std::string::npos);

    bars.categories.pop_back();
    CHECK_THROWS_AS(report::gnuplot_script(bars), engraft::bad_input);
    report::figure const map{
        .name = "map", .title = "map", .how = report::figure::kind::map, .categories = {"a"}, .rows = {"b"}};
    CHECK_THROWS_AS(report::gnuplot_script(map), engraft::bad_input);
}

TEST_CASE("a page shows what was found, and text as text") {
    report::findings found{.name = "one", .title = "A < B & \"C\""};
    found.comparisons = {{"yes", 1, relation::near, 1, 0.1}, {"no", 2, relation::near, 1, 0.1}};
    found.figures = {{.name = "drawn", .title = "D"}, {.name = "missing", .title = "M"}};
    found.tables = {{"t", {"name", "number"}, {{"x", 0.5}}}};
    report::page p{.title = "<script>", .sections = {{found, 1.5}}};
    p.drawings["drawn"] = "<?xml version=\"1.0\"?>\n<svg><path id='p'/><use xlink:href='#p'/></svg>";
    auto const html = report::html(p);
    auto const has = [&](std::string const& text) { return html.find(text) != std::string::npos; };
    CHECK(!has("<script>"));
    CHECK(has("A &lt; B &amp; &quot;C&quot;"));
    CHECK(has("1 of 2 agree"));
    CHECK(has("within 0.100 of 1"));
    CHECK(has(">agrees<"));
    CHECK(has(">does not<"));
    CHECK(!has("<?xml"));
    CHECK(has("<path id='drawn-p'/><use xlink:href='#drawn-p'/>"));
    CHECK(has("not drawn"));
    CHECK(has("<td class=\"n\">0.500</td>"));
}
