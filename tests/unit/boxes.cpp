#include <set>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

namespace {
eg::tokenizer const& words() {
    static auto const t = eg::tokenizer::load(ENGRAFT_EXAMPLES_DATA "/base/tokenizer.json");
    return t;
}
} // namespace

TEST_CASE("prompts of the boxes task are the paper's, with roles where the paper has them") {
    auto const p = eg::boxes::sample(words(), {.examples = 30, .seed = 3});
    REQUIRE(p.tokens.examples() == 30);
    for (std::size_t j = 0; j < 30; ++j) {
        auto const& s = p.scenes[j];
        auto const at = [&](auto role) { return p.tokens.at(j, static_cast<std::size_t>(role.positions[j])); };
        auto const token = [&](std::string const& word) { return words().require_token(" " + word); };
        CHECK(s.queried == j % 7);
        CHECK(p.role<eg::last>().positions[j] == 53);
        CHECK(p.role<eg::query_label>().positions[j] == 51);
        CHECK(p.role<eg::previous_query_label>().positions[j] == static_cast<long>(6 + 7 * s.queried));
        CHECK(p.role<eg::correct_object>().positions[j] == static_cast<long>(2 + 7 * s.queried));
        CHECK(at(p.role<eg::query_label>()) == token(std::string(1, s.labels[s.queried])));
        CHECK(at(p.role<eg::previous_query_label>()) == at(p.role<eg::query_label>()));
        CHECK(at(p.role<eg::correct_object>()) == p.answers[j]);
        CHECK(p.answers[j] == token(s.objects[s.queried]));
        CHECK(std::set(s.labels.begin(), s.labels.end()).size() == 7);
        CHECK(std::set(s.objects.begin(), s.objects.end()).size() == 7);
        // One scene is asked for each of its boxes; its noise prompt is another scene, asked for the next box.
        CHECK(s.objects == p.scenes[j / 7 * 7].objects);
        auto const& n = p.noise_scenes[j];
        CHECK(n.queried == (j + 1) % 7);
        CHECK(n.objects != s.objects);
        CHECK(p.noise_role<eg::query_label>().positions[j] == 51);
        CHECK(p.noise_tokens.at(j, 51) == token(std::string(1, n.query)));
        CHECK(p.noise_role<eg::previous_query_label>().positions[j] % 7 == 6);
        CHECK(p.noise_role<eg::correct_object>().positions[j] == static_cast<long>(2 + 7 * n.queried));
    }
    CHECK(p.scenes[0].text().substr(0, 4) == "The ");
    CHECK(p.left_out.size() == 30);
}

TEST_CASE("the same seed gives the same prompts, another seed others") {
    auto const of = [](std::uint64_t seed) {
        return eg::boxes::sample(words(), {.examples = 9, .seed = seed}).tokens.tokens();
    };
    CHECK(of(4) == of(4));
    CHECK(of(4) != of(5));
}

TEST_CASE("options that make no prompt are refused") {
    CHECK_THROWS_AS(eg::boxes::sample(words(), {.examples = 0}), eg::bad_input);
    CHECK_THROWS_AS(eg::boxes::sample(words(), {.boxes = 27}), eg::bad_input);
    auto twice = eg::boxes::options::default_objects();
    twice.push_back(twice[3]);
    CHECK_THROWS_WITH(eg::boxes::sample(words(), {.objects = twice}),
                      Catch::Matchers::ContainsSubstring("the object '" + twice[3] + "' is given twice"));
    CHECK_THROWS_WITH(eg::boxes::sample(words(), {.objects = {"book", "bell", "xylophone"}}),
                      Catch::Matchers::ContainsSubstring("only 2 of 3 objects"));
}

TEST_CASE("circuits are read, and random ones are as large") {
    auto const c = eg::read_circuit(ENGRAFT_EXAMPLES_DATA "/circuit.json");
    CHECK(c.groups.size() == 4);
    CHECK(c["value_fetcher"].heads.size() == 16);
    CHECK(c["value_fetcher"].heads[0] == eg::node{5, 1});
    CHECK(c["structure_reader"].role == "previous_query_label");
    CHECK_THROWS_WITH(c["reader"],
                      Catch::Matchers::ContainsSubstring("no group `reader`; its groups are position_detector"));
    static constexpr eg::description d{
        .layers = 6, .d_model = 8, .heads = 8, .kv_heads = 8, .d_head = 2, .d_mlp = 8, .vocab = 8};
    eg::random r(1);
    auto const drawn = eg::random_like<d>(c["value_fetcher"], r);
    CHECK(std::set(drawn.heads.begin(), drawn.heads.end()).size() == 16);
    for (auto n : drawn.heads)
        CHECK_FALSE((n.layer < 0 || n.layer > 5 || n.head < 0 || n.head > 7));
}
