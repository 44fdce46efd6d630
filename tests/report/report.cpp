// The page and the figures of a report, and what it says of repeated measurements.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <unistd.h>

#include "catch.hpp"

#include "../../examples/report/gnuplot.hpp"
#include "../../examples/report/page.hpp"
#include "../../examples/summary.hpp"

namespace fs = std::filesystem;
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
    auto same = map; // gnuplot would draw none of it
    same.values = {0.25};
    CHECK(report::gnuplot_script(same).find("set cbrange [-0.75:1.25]") != std::string::npos);
    same.values = {std::numeric_limits<double>::quiet_NaN()};
    CHECK(report::gnuplot_script(same).find("set cbrange [-1:1]") != std::string::npos);
    same.least = same.most = 0;
    CHECK(report::gnuplot_script(same).find("set cbrange [-1:1]") != std::string::npos);
    same.least = same.most = std::numeric_limits<double>::quiet_NaN();
    same.rows.push_back("c");
    same.values = {0.25, 0.5};
    CHECK(report::gnuplot_script(same).find("set cbrange [*:*]") != std::string::npos);
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

TEST_CASE("names and drawings cannot bring a script into a page") {
    report::findings found{.name = "\"><script>alert(1)</script>", .title = "t"};
    found.figures = {{.name = "'><img src=x onerror=alert(1)>", .title = "'\"<b>"}, {.name = "drawn", .title = "D"}};
    report::page p{.title = "t", .sections = {{found, 1.5}}};
    std::string const whole = "<svg><path id='p'/></svg>\n";
    for (auto const& drawing :
         {whole, std::string("<svg><path id='p'/>"), std::string("<svg><SCRIPT>alert(1)</SCRIPT></svg>"),
          std::string("<svg onload = 'alert(1)'></svg>"), std::string("<svg><a href='javascript:alert(1)'/></svg>"),
          std::string("nothing"), std::string()}) {
        INFO(drawing);
        p.drawings["drawn"] = drawing;
        p.drawings["'><img src=x onerror=alert(1)>"] = whole;
        auto const html = report::html(p);
        CHECK(html.find("<script") == std::string::npos);
        CHECK(html.find("<SCRIPT") == std::string::npos);
        CHECK(html.find("<img") == std::string::npos);
        CHECK(html.find("<b>") == std::string::npos);
        CHECK(html.find("'><") == std::string::npos);
        CHECK((html.find("not drawn") == std::string::npos) == (drawing == whole));
    }
    // Whatever else a drawing has in it: a browser runs no script of the page and fetches nothing.
    CHECK(report::html(p).find("Content-Security-Policy\" content=\"default-src 'none'; ") != std::string::npos);
}

TEST_CASE("a figure is drawn whole or not at all, and stays in its folder") {
    struct temporary {
        fs::path path = fs::temp_directory_path() / ("engraft-figures-" + std::to_string(::getpid()));
        temporary() { fs::create_directories(path); }
        ~temporary() { fs::remove_all(path); }
    } const here;
    auto const content = [&](char const* name) -> std::string {
        std::ifstream in(here.path / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    };
    auto const folder = here.path / "figures";
    fs::create_directories(folder);
    // Stands for gnuplot: it works where `-e "cd '...'"` says, and ends with 0 whatever it has written.
    auto const program = here.path / "program";
    auto const draws = [&](std::string const& svg, bool png = true) {
        std::ofstream(program) << "#!/bin/sh\nfolder=${2#cd \\'}\ncd \"${folder%\\'}\"\necho run >>"
                               << here.path.string() << "/runs\nprintf '" << svg << "' >f.svg\nprintf '"
                               << (png ? "\\211PNG\\r\\n\\032\\n\\0\\0\\0\\0IEND\\256B`\\202"
                                       : "\\211PNG\\r\\n\\032\\n")
                               << "' >f.png\n";
        fs::permissions(program, fs::perms::owner_all);
    };
    report::gnuplot const gnuplot(program.string());
    report::figure const f{.name = "f", .title = "F", .all = {{.name = "s", .y = {1, 2}}}};
    auto const refusal = [&](report::figure const& one) -> std::string {
        try {
            gnuplot.draw(one, folder);
        } catch (engraft::bad_input const& e) {
            return e.what();
        }
        return {};
    };
    auto const entries = [&] { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); };

    draws("<svg>cut sho"); // as on a full disk
    CHECK(refusal(f).find("the drawing is cut short") != std::string::npos);
    draws("<svg></svg>", false);
    CHECK(refusal(f).find("the drawing is cut short") != std::string::npos);
    CHECK(entries() == 0);

    draws("<svg>1</svg>\\n");
    CHECK(refusal(f).empty());
    CHECK(refusal(f).empty());
    CHECK(content("figures/f.svg") == "<svg>1</svg>\n");
    CHECK(content("runs") == "run\nrun\nrun\n"); // and not a fourth time
    CHECK(entries() == 3);

    std::ofstream(folder / "f.svg") << "<svg>1</s"; // cut short afterwards
    CHECK(refusal(f).empty());
    CHECK(content("figures/f.svg") == "<svg>1</svg>\n");
    draws("<svg>cut sho");
    fs::remove(folder / "f.png");
    CHECK_FALSE(refusal(f).empty());
    CHECK(content("figures/f.svg") == "<svg>1</svg>\n"); // as before

    // Whatever has the names that it works under meanwhile.
    draws("<svg>2</svg>");
    std::ofstream(here.path / "other") << "kept";
    fs::create_directory_symlink(here.path, folder / "f.part");
    CHECK(refusal(f).empty());
    CHECK(content("other") == "kept");
    CHECK(fs::exists(program));

    for (auto const* name : {"../other", "a/b", "..", ".hidden", "", "a b", "a'b", "a\nb"}) {
        auto elsewhere = f;
        elsewhere.name = name;
        CHECK(refusal(elsewhere).find("a figure can't be named") != std::string::npos);
    }
}

TEST_CASE("means and deviations") {
    std::vector<double> const values{2, 4, 4, 4, 5, 5, 7, 9};
    auto const s = example::summarize(values);
    CHECK(s.count == 8);
    CHECK(s.mean == 5);
    CHECK(s.deviation == 2);
    CHECK(s.sample_deviation == Approx(std::sqrt(32.0 / 7)));
    CHECK(example::summarize(std::vector{3.0}).sample_deviation == 0);
    CHECK_THROWS_AS(example::summarize(std::vector<double>{}), engraft::bad_input);
}
