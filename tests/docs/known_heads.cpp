// The code of docs/how_to/known_heads.md, and checks of what that page says.

#include <algorithm>
#include <iostream>
#include <vector>

#include "catch.hpp"
#include "docs/pair_model.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

TEST_CASE("how to find heads of a known kind") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    auto const model = eg::load<pair_model>(folder + "/base");
    // [detect]
    eg::random draw(10);
    std::vector<std::vector<eg::token>> prompts(20); // 25 random tokens, twice
    for (auto& prompt : prompts) {
        for (int i = 0; i < 25; ++i)
            prompt.push_back(static_cast<eg::token>(draw.below(pair_model.vocab)));
        prompt.insert(prompt.end(), prompt.begin(), prompt.begin() + 25);
    }
    auto const found = eg::detect_heads(model, prompts, eg::head_patterns::all());
    for (auto const& kind : found) {
        auto const best = std::max_element(kind.per_query.begin(), kind.per_query.end()) - kind.per_query.begin();
        std::cout << kind.pattern << ": " << best / kind.heads << '.' << best % kind.heads << ", "
                  << kind.per_query[static_cast<std::size_t>(best)] << '\n';
    }
    // [/detect]
    CHECK(found.size() == 3);

    // [own]
    eg::head_pattern const first{"first_token", [](auto) { return std::vector<std::size_t>{0}; }};
    auto const resting = eg::detect_heads(model, prompts, {first}, {.memory = 50e6});
    double const of_head = resting[0].of_all_at(5, 1); // layer 5, head 1
    // [/own]
    CHECK((of_head > 0 && of_head < 1));
}
