// Pictures of results: what stands in them, and that no label can be more than a label.

#include <cmath>
#include <cstddef>
#include <limits>
#include <regex>
#include <string>
#include <vector>

#include "catch.hpp"
#include "random_models.hpp"

#include <engraft/circuit/show.hpp>

namespace {

namespace er = engraft::pictures;
using Catch::Matchers::ContainsSubstring;

std::size_t count(std::string const& text, std::string const& part) {
    std::size_t n = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1))
        ++n;
    return n;
}

/// The numbers of a picture's cells, in its order.
std::vector<std::string> cells(std::string const& page) {
    std::vector<std::string> found;
    std::regex const cell("<title>([^<]*)</title></rect>");
    for (std::sregex_iterator i(page.begin(), page.end(), cell), end; i != end; ++i)
        found.push_back((*i)[1]);
    return found;
}

} // namespace

TEST_CASE("a heat map has a cell for each number, coloured by size and sign") {
    er::heat_map const map{.title = "two by three",
                           .row_axis = "layer",
                           .column_axis = "head",
                           .rows = {"0", "1"},
                           .columns = {"a", "b", "c"},
                           .values = {0, 1, -2, 2, std::nan(""), 0.5}};
    auto const drawing = er::svg(map);
    CHECK(cells(drawing) == std::vector<std::string>{"0, a: 0", "0, b: 1", "0, c: −2", "1, a: 2", "1, c: 0.500"});
    CHECK_THAT(drawing, ContainsSubstring("fill=\"#ffffff\"><title>0, a"));
    CHECK_THAT(drawing, ContainsSubstring("fill=\"#0072b2\"><title>1, a"));
    CHECK_THAT(drawing, ContainsSubstring("fill=\"#d55e00\"><title>0, c"));
    CHECK_THAT(drawing, ContainsSubstring("fill=\"#80b9d9\"><title>0, b"));
    CHECK_THAT(drawing, ContainsSubstring("layer × head"));
    // On a page, one scale for all maps.
    auto twice = map;
    twice.values = {0, 0, 0, 4, 0, 0};
    auto const page = er::html({.title = "t", .maps = {map, twice}});
    CHECK_THAT(page, ContainsSubstring("fill=\"#80b9d9\"><title>1, a: 2"));
    CHECK(count(page, "<svg ") == 2);
    CHECK(count(page, "</svg>") == 2);

    er::heat_map bad = map;
    bad.values.pop_back();
    CHECK_THROWS_WITH(er::svg(bad), ContainsSubstring("[picture.cells]"));
    CHECK_THROWS_WITH(er::svg({}), ContainsSubstring("[picture.cells]"));
    er::heat_map large{.title = "", .rows = std::vector<std::string>(700), .columns = std::vector<std::string>(700)};
    large.values.resize(700 * 700);
    CHECK_THROWS_WITH(er::svg(large), ContainsSubstring("too large"));
    large.rows.resize(400), large.values.resize(400 * 700);
    CHECK_THROWS_WITH(er::html({.title = "", .maps = {large, large}}), ContainsSubstring("too large"));
}

TEST_CASE("a label is one line of text, whatever a token has in it") {
    using er::detail::shown_label;
    CHECK(shown_label(" Mary") == "␣Mary");
    CHECK(shown_label("a b") == "a b");
    CHECK(shown_label("a\nb\tc") == "a⏎b�c");
    CHECK(shown_label("naïve 名 🙂") == "naïve 名 🙂");
    CHECK(shown_label("\xc3") == "�"); // half a character
    CHECK(shown_label("\x80\xff") == "��");
    CHECK(shown_label("\xc0\xaf") == "��");           // "/", too long
    CHECK(shown_label("\xed\xa0\x80") == "���");      // a surrogate
    CHECK(shown_label("\xf4\x90\x80\x80") == "����"); // beyond Unicode
    CHECK(shown_label("a\u202eb\u2066c\u200bd\u0085") == "a�b�c�d�");
    CHECK(shown_label("\uffff") == "�");
    CHECK(shown_label("abcdef", 4) == "abc…");
    CHECK(shown_label("abcd", 4) == "abcd");
    CHECK(shown_label("") == "");

    std::vector<std::string> const hostile{"<script>alert(1)</script>",
                                           "\"><img src=x onerror=alert(1)>",
                                           "</title></svg>",
                                           "' onload='x",
                                           "&lt;b&gt;",
                                           "]]>",
                                           "<!--"};
    er::heat_map map{.title = hostile[0],
                     .row_axis = hostile[1],
                     .column_axis = hostile[2],
                     .rows = {hostile[3]},
                     .columns = hostile,
                     .values = std::vector<double>(hostile.size(), 1.0)};
    auto const page = er::html({.title = hostile[0], .caption = hostile[1], .maps = {map}});
    for (auto const& part : {"<script", "<img", "onerror=alert(1)>\"", "<!--", "' onload='", "<b>"})
        CHECK(count(page, part) == 0);
    CHECK(count(page, "<svg ") == 1);
    CHECK(count(page, "</svg>") == 1);
    CHECK(count(page, "&lt;script&gt;alert(1)&lt;/script&gt;") > 0);
    CHECK(count(page, "&amp;lt;b&amp;gt;") > 0);
    CHECK(count(page, "Content-Security-Policy\" content=\"default-src 'none'") == 1);
    CHECK(count(page, "http") == 2); // http-equiv and the name space of SVG: nothing is fetched
}

TEST_CASE("sweeps, attention, attributions and detectors are shown as maps of their numbers") {
    auto const model = random_model<eg::reference>(3);
    auto const tokens = random_prompts(5, {4, 4}), others = random_prompts(6, {4, 4});
    eg::metric const metric = eg::logit({3, 5});
    auto const clean = model.run(tokens, eg::capture_for_sweeps<grouped>());
    auto const noise = model.run(others, eg::capture(eg::z, eg::resid_pre));
    auto const heads = eg::sweep(model, clean, eg::each_head<grouped>(),
                                 [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}), noise); }, {metric});
    auto const map = er::show(heads).maps.at(0);
    CHECK(map.rows.size() == 3);
    CHECK(map.columns.size() == 4);
    CHECK(map.row_axis == "layer");
    for (std::size_t i = 0; i < 12; ++i)
        CHECK(std::abs(map.values[i] -
                       (heads.of()[2 * i] - heads.clean()[0] + heads.of()[2 * i + 1] - heads.clean()[1]) / 2) < 1e-12);
    auto const plain = er::show(heads, {.change = false}).maps.at(0);
    CHECK(std::abs(plain.values[5] - (heads.of()[10] + heads.of()[11]) / 2) < 1e-12);
    CHECK_THROWS_AS(er::show(heads, {.metric = "accuracy"}), eg::bad_input);

    auto const stream =
        eg::sweep(model, clean, eg::each_layer_position<grouped>(4),
                  [&](eg::layer_position at) {
                      return eg::patch(eg::resid_pre, eg::layer(at.layer) & eg::at(long(at.position)), noise);
                  },
                  {metric});
    auto const words = er::show(stream, {.words = {"The", " <b>", "\n", ""}});
    CHECK(words.maps[0].columns == std::vector<std::string>{"0 The", "1 ␣<b>", "2 ⏎", "3 "});
    CHECK_THAT(er::html(words), ContainsSubstring("1 ␣&lt;b&gt;"));
    auto const layers = eg::sweep(model, clean, eg::each_layer<grouped>(),
                                  [&](int l) { return eg::patch(eg::z, eg::layer(l), noise); }, {metric});
    CHECK(er::show(layers).maps[0].columns.size() == 3);
    CHECK(er::show(layers).maps[0].rows.size() == 1);
    eg::sweep_result const three({{"a", 2}, {"b", 2}, {"c", 2}}, 1, {metric});
    CHECK_THROWS_WITH(er::show(three), ContainsSubstring("[picture.axes]"));

    auto const run = model.run(tokens, eg::capture(eg::pattern, eg::layer(1) & eg::at(std::vector<long>{1, 3})));
    auto const attention = er::show(run, 1, 1);
    REQUIRE(attention.maps.size() == 4);
    auto const& of_head = attention.maps[2].values;
    REQUIRE(of_head.size() == 16);
    auto const line = run[eg::pattern].slice(1, 1, 3, 2);
    for (std::size_t k = 0; k < 4; ++k) {
        CHECK(of_head[12 + k] == line[k]);
        CHECK(std::isnan(of_head[k])); // not captured
        CHECK(std::isnan(of_head[4 + k]) == (k > 1));
    }
    CHECK_THROWS_AS(er::show(run, 0, 1), eg::missing_activation);
    CHECK_THROWS_AS(er::show(run, 1, 2), eg::bad_input);
    CHECK_THROWS_AS(er::show(run, 3, 0), eg::bad_layer);

    auto const found = eg::attribute(model, tokens, others, metric, eg::z);
    CHECK(er::show(found).maps[0].values[5] == found.over_positions()[5] / 2);
    auto const by_position = er::show(found, 1).maps[0];
    CHECK(by_position.columns.size() == 4);
    CHECK(std::abs(by_position.values[4 + 2] - (found.at(1, 1, 2, 0) + found.at(1, 1, 2, 1) + found.at(1, 1, 2, 2) +
                                                found.at(1, 1, 2, 3))) < 1e-12);
    CHECK_THROWS_AS(er::show(found, 2), eg::bad_input);

    auto const kinds = eg::detect_heads(model, tokens, eg::head_patterns::all());
    CHECK(er::show(kinds).maps.size() == 3);
    CHECK(er::show(kinds).maps[0].values == kinds[0].per_query);
    eg::role const last{"last", {-1, -1}, {}};
    auto const report = eg::attention_from(model, tokens, last, {{1, 2}, {0, 3}}, {eg::attention_target::of(last)});
    CHECK(er::show(report).maps[0].values == report.means);
    CHECK(er::show(report).maps[0].rows == std::vector<std::string>{"1.2", "0.3"});
}
