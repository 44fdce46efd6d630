// The code of docs/how_to/tasks.md, and checks of what that page says.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "docs/pair_model.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

TEST_CASE("how to bring your own prompts") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    auto const model = eg::load<pair_model>(folder + "/base");
    auto const file = std::filesystem::temp_directory_path() / "engraft-docs-tasks.jsonl";
    std::ofstream(file)
        << R"({"clean": "The apple is in Box O, the bell is in Box Q. Box Q contains the", )"
        << R"("corrupted": "The key is in Box O, the ring is in Box Q. Box O contains the", )"
        << R"("answer": " bell", "wrong": " apple", "roles": {"asked": {"text": "Q", "occurrence": 2}, )"
        << R"("object": {"text": "bell", "corrupted": {"text": "key"}}, "end": {"position": -1}}})" << '\n';
    // [file]
    eg::prompt_pairs const pairs = eg::read_pairs(file, model.tokenizer());
    auto const corrupted = model.run(pairs.corrupted(), eg::capture(eg::resid_pre));
    auto const patched =
        model.run(pairs.clean(), eg::patch(eg::resid_pre, eg::layer(3) & eg::at(pairs.role("object")), corrupted));
    eg::write_pairs(file, pairs); // the same pairs, as tokens
    // [/file]
    CHECK(eg::read_pairs(file, model.tokenizer()).pairs == pairs.pairs);
    std::filesystem::remove(file);
    CHECK(pairs.pairs[0].role("object") == eg::role_place{"object", 9, 2});
    CHECK(patched.fired()[0] == 1);

    // [known]
    eg::prompt_pairs const boxes = eg::pairs_of("boxes", model.tokenizer(), {.count = 50, .seed = 10});
    auto const run = model.run(boxes.clean());
    std::vector<double> const right = run.logits_at(boxes.role("last")).probability(boxes.first_answers());
    // [/known]
    CHECK(right.size() == 50);
}
