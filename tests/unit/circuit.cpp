#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;
using Catch::Matchers::ContainsSubstring;
using heads = std::vector<eg::node>;

namespace {

/// Some of layers x heads, in random order.
heads random_heads(int layers, int per_layer, std::size_t count, eg::random& r) {
    heads drawn;
    for (auto const i : r.sample(static_cast<std::size_t>(layers * per_layer), count))
        drawn.push_back({static_cast<int>(i) / per_layer, static_cast<int>(i) % per_layer});
    return drawn;
}

std::set<eg::node> as_set(heads const& list) { return {list.begin(), list.end()}; }

/// An accuracy that depends on every node: a sum of weights, and of products of neighbours so that heads stand in for
/// each other.
double made_up_accuracy(eg::circuit const& c) {
    double sum = 0.1;
    for (auto const& group : c.groups)
        for (auto const a : group.heads) {
            sum += 0.004 * (1 + (a.layer * 7 + a.head * 3) % 5);
            for (auto const b : group.heads)
                if (a < b)
                    sum -= 0.0007 * ((a.layer + b.head * 2) % 4);
        }
    return std::round(sum * 100) / 100;
}

} // namespace

TEST_CASE("the algebra of circuits is that of sets, group by group") {
    eg::random r(5);
    for (int times = 0; times < 50; ++times) {
        auto const some = [&] { return random_heads(2, 3, static_cast<std::size_t>(r.below(7)), r); };
        eg::circuit const a{{{"x", "last", some()}, {"y", "first", some()}}},
            b{{{"y", "first", some()}, {"x", "last", some()}}};
        auto const both = a & b, either = a | b, rest = a - b;
        for (std::string const name : {"x", "y"}) {
            auto const in_a = as_set(a[name].heads), in_b = as_set(b[name].heads);
            std::set<eg::node> all(in_a), common, left;
            all.insert(in_b.begin(), in_b.end());
            for (auto const n : in_a)
                (in_b.contains(n) ? common : left).insert(n);
            CHECK(as_set(either[name].heads) == all);
            CHECK(either[name].heads.size() == all.size());
            CHECK(as_set(both[name].heads) == common);
            CHECK(as_set(rest[name].heads) == left);
        }
    }
}

TEST_CASE("groups that only one circuit has, and groups at other roles") {
    eg::circuit const a{{{"x", "last", {{1, 1}, {0, 2}}}}}, b{{{"y", "last", {{1, 1}}}}};
    CHECK((a | b) == eg::circuit{{a.groups[0], b.groups[0]}});
    CHECK((a & b).groups.empty());
    CHECK((a - b) == a);
    eg::circuit const moved{{{"x", "first", {{1, 1}}}}};
    CHECK_THROWS_WITH(a | moved, ContainsSubstring("the group `x` acts at `last` in one circuit and at `first`"));
    CHECK_THROWS_AS(a & moved, eg::bad_input);
    CHECK_THROWS_AS(a - moved, eg::bad_input);
    CHECK_THROWS_AS(eg::overlap_by_group(a, moved), eg::bad_input);
}

TEST_CASE("overlap counts common nodes, and shares of nothing are no numbers") {
    eg::circuit const a{{{"x", "last", {{1, 1}, {0, 2}, {3, 0}, {3, 1}}}, {"z", "first", {}}}},
        b{{{"x", "last", {{3, 1}, {1, 1}}}, {"y", "last", {{0, 2}, {7, 7}}}}};
    auto const lines = eg::overlap_by_group(a, b);
    CHECK(lines == std::vector<eg::overlap>{{"x", 4, 2, 2}, {"z", 0, 0, 0}, {"y", 0, 2, 0}});
    CHECK(lines[0].precision() == 0.5);
    CHECK(lines[0].recall() == 1);
    CHECK(lines[0].jaccard() == 0.5);
    CHECK(std::isnan(lines[1].precision()));
    CHECK(std::isnan(lines[1].jaccard()));
    CHECK(lines[2].recall() == 0);
    // As a whole it does not matter in which group a node of one role stands.
    CHECK(eg::overlap_of(a, b) == eg::overlap{"all", 4, 4, 3});
}

TEST_CASE("random circuits have as many nodes in each group, and no node of a role twice") {
    eg::circuit const c{{{"a", "last", heads(5)}, {"b", "first", heads(8)}, {"c", "last", heads(3)}}};
    std::set<heads> seen;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        eg::random r(seed), again(seed);
        auto const drawn = eg::random_like(c, 2, 4, r);
        CHECK(drawn == eg::random_like(c, 2, 4, again));
        std::set<eg::node> last;
        for (std::size_t g = 0; g < 3; ++g) {
            CHECK(drawn.groups[g].name == c.groups[g].name);
            CHECK(drawn.groups[g].role == c.groups[g].role);
            CHECK(drawn.groups[g].heads.size() == c.groups[g].heads.size());
            for (auto const n : drawn.groups[g].heads) {
                CHECK((n.layer >= 0 && n.layer < 2 && n.head >= 0 && n.head < 4));
                if (g != 1)
                    last.insert(n);
            }
        }
        CHECK(last.size() == 8); // all of the model's: none twice
        CHECK(as_set(drawn.groups[1].heads).size() == 8);
        seen.insert(drawn.groups[0].heads);
    }
    CHECK(seen.size() > 10);
    eg::random r(1);
    CHECK_THROWS_AS(eg::random_like(c, 1, 7, r), eg::bad_input);
    CHECK_THROWS_AS(eg::random_like(c, 0, 7, r), eg::bad_input);
}

TEST_CASE("the lowest heads are those that no other is below") {
    eg::random r(3);
    for (int times = 0; times < 30; ++times) {
        int const layers = 1 + static_cast<int>(r.below(4)), per_layer = 1 + static_cast<int>(r.below(5));
        std::vector<double> table;
        for (int i = 0; i < layers * per_layer; ++i)
            table.push_back(static_cast<double>(r.below(6)) - 3); // with ties
        auto const count = static_cast<std::size_t>(r.below(table.size() + 1));
        auto const lowest = eg::lowest_heads(table, per_layer, count);
        REQUIRE(lowest.size() == count);
        // Rank by counting: how many are lower, or equal and before.
        for (int i = 0; i < layers * per_layer; ++i) {
            std::size_t rank = 0;
            for (int j = 0; j < layers * per_layer; ++j)
                rank += table[std::size_t(j)] < table[std::size_t(i)] ||
                        (table[std::size_t(j)] == table[std::size_t(i)] && j < i);
            if (rank < count)
                CHECK(lowest[rank] == eg::node{i / per_layer, i % per_layer});
        }
    }
    CHECK_THROWS_WITH(eg::lowest_heads(std::vector<double>(6), 3, 7), ContainsSubstring("no 7 heads, only 6"));
    CHECK_THROWS_AS(eg::lowest_heads(std::vector<double>(6), 4, 1), eg::bad_input);
    CHECK_THROWS_WITH(eg::lowest_heads(std::vector<double>{0, 0, 0, std::nan("")}, 2, 1),
                      ContainsSubstring("layer 1, head 1 is NaN"));
}

TEST_CASE("as many of the lowest heads are taken as leave a number outside other groups") {
    std::vector<double> const table{5, 1, 4, 2, 3, 0}; // 2 heads a layer; from the lowest: 2.1 0.1 1.1 2.0 1.0 0.0
    heads const taken{{0, 1}, {2, 0}};
    CHECK(eg::lowest_needed(table, 2, 0, taken) == 0);
    CHECK(eg::lowest_needed(table, 2, 1, taken) == 1);
    CHECK(eg::lowest_needed(table, 2, 2, taken) == 3);
    CHECK(eg::lowest_needed(table, 2, 3, taken) == 5);
    CHECK(eg::lowest_needed(table, 2, 4, taken) == 6);
    CHECK_THROWS_AS(eg::lowest_needed(table, 2, 5, taken), eg::bad_input);
}

TEST_CASE("a node of two groups of one role stays in the later group") {
    eg::circuit const c{{{"a", "last", {{0, 0}, {1, 1}, {2, 2}, {3, 3}}},
                         {"b", "last", {{1, 1}, {4, 4}}},
                         {"c", "first", {{0, 0}, {4, 4}}},
                         {"d", "last", {{3, 3}, {4, 4}}}}};
    eg::circuit const expected{{{"a", "last", {{0, 0}, {2, 2}}},
                                {"b", "last", {{1, 1}}},
                                {"c", "first", {{0, 0}, {4, 4}}},
                                {"d", "last", {{3, 3}, {4, 4}}}}};
    CHECK(eg::without_overlap(c) == expected);
}

TEST_CASE("K is a fraction of the group, rounded up, whatever doubles make of it") {
    std::map<std::size_t, std::size_t> const expected{{50, 15}, {10, 3},  {25, 8}, {5, 2}, {80, 24}, {30, 9},
                                                      {40, 12}, {70, 21}, {1, 1},  {0, 0}, {90, 27}, {110, 33}};
    for (auto const& [group, partners] : expected)
        CHECK(eg::partner_count(group, 0.3) == partners);
    for (std::size_t n = 0; n < 2000; ++n) {
        CHECK(eg::partner_count(n, 0.3) == (3 * n + 9) / 10);
        CHECK(eg::partner_count(n, 0.07) == (7 * n + 99) / 100);
    }
    CHECK_THROWS_AS(eg::partner_count(5, 1.5), eg::bad_input);
    CHECK_THROWS_AS(eg::partner_count(5, std::nan("")), eg::bad_input);
}

TEST_CASE("K has the heads that gain most from the judged one") {
    // acc(w, w) - acc(0, w) for w = 1, 2, 3: 0.25, 0.5, 0.25; a tie keeps the group's order.
    eg::pair_accuracies const pairs{
        {{0, 0}, {0, 1}, {0, 2}, {0, 3}},
        {0.5, 0.25, 0.25, 0.5, 0.25, 0.5, 0.5, 0.5, 0.25, 0.5, 0.75, 0.5, 0.5, 0.5, 0.5, 0.75}};
    CHECK(eg::partners(pairs, 0, 1) == std::vector<std::size_t>{2});
    CHECK(eg::partners(pairs, 0, 2) == std::vector<std::size_t>{2, 1});
    CHECK(eg::partners(pairs, 0, 9) == std::vector<std::size_t>{2, 1, 3});
    auto const turned = eg::arranged(pairs, {{0, 3}, {0, 2}, {0, 1}, {0, 0}});
    CHECK(eg::partners(turned, 3, 3) == std::vector<std::size_t>{1, 0, 2});
    CHECK_THROWS_AS(eg::arranged(pairs, {{0, 0}}), eg::bad_input);
    CHECK_THROWS_AS(eg::arranged(pairs, {{0, 0}, {0, 0}, {0, 1}, {0, 2}}), eg::bad_input);
}

TEST_CASE("what a head contributes, where nothing is right too") {
    CHECK(eg::contribution(0.66, 0.6) == Approx(0.1));
    CHECK(eg::contribution(0.3, 0) == std::numeric_limits<double>::infinity());
    CHECK(eg::contribution(0, 0) == 0);
    CHECK(eg::contribution(0, 0.5) == -1);
    std::vector<eg::minimality_line> const lines{
        {{0, 0}, 0.55, 0.5}, {{0, 1}, 0.5, 0.5}, {{1, 0}, 0.2, 0}, {{1, 1}, 0.4, 0.5}};
    CHECK(eg::needed_heads(lines, 0.01) == heads{{0, 0}, {1, 0}});
    CHECK(eg::needed_heads(lines, 0) == heads{{0, 0}, {0, 1}, {1, 0}});
    auto const range = eg::thresholds_that_keep(lines, eg::needed_heads(lines, 0.01));
    CHECK(range.above == 0);
    CHECK(range.upto == Approx(0.1));
    CHECK((range.contains(0.01) && !range.contains(0) && range.contains(range.upto)));
    CHECK(eg::thresholds_that_keep(lines, heads{{1, 1}}).empty());
}

TEST_CASE("a minimal circuit is what brute force over its definition leaves") {
    eg::random r(9);
    std::size_t dropped = 0, kept = 0;
    for (int times = 0; times < 10; ++times) {
        eg::circuit const c{{{"a", "last", random_heads(4, 5, 9, r)}, {"b", "first", random_heads(4, 5, 4, r)}}};
        auto const minimal = eg::minimal_circuit(c, {.threshold = 0.01, .fraction = 0.3}, made_up_accuracy);
        for (std::size_t g = 0; g < 2; ++g) {
            auto const accuracy_without = [&](std::set<eg::node> const& away) {
                auto rest = c;
                std::erase_if(rest.groups[g].heads, [&](eg::node n) { return away.contains(n); });
                return made_up_accuracy(rest);
            };
            auto const& all = c.groups[g].heads;
            heads expected;
            for (auto const judged : all) {
                std::vector<std::pair<double, std::size_t>> gains; // ascending by (-gain, place)
                for (std::size_t i = 0; i < all.size(); ++i)
                    if (all[i] != judged)
                        gains.push_back({-(accuracy_without({all[i]}) - accuracy_without({judged, all[i]})), i});
                std::sort(gains.begin(), gains.end());
                std::set<eg::node> away;
                for (std::size_t i = 0; i < (g == 0 ? 3u : 2u); ++i)
                    away.insert(all[gains[i].second]);
                double const with = accuracy_without(away);
                away.insert(judged);
                if (with / accuracy_without(away) - 1 >= 0.01)
                    expected.push_back(judged);
            }
            CHECK(minimal.groups[g].heads == expected);
            kept += expected.size();
            dropped += all.size() - expected.size();
        }
    }
    CHECK((kept > 10 && dropped > 10)); // or the comparison would say little
}

TEST_CASE("a mask chooses the heads whose weight rounds to 0") {
    heads const group{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}};
    CHECK(eg::chosen_heads(group, std::vector{-0.3, 0.4999, 0.5, 0.500055, 1.2}) == heads{{0, 0}, {0, 1}, {1, 0}});
    CHECK_THROWS_AS(eg::chosen_heads(group, std::vector{0.0}), eg::bad_input);
    CHECK_THROWS_AS(eg::chosen_heads(group, std::vector{0.0, 0.0, 0.0, 0.0, std::nan("")}), eg::bad_input);
}
