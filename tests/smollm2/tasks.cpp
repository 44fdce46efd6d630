// Known tasks with a real tokenizer: the tokens under each role, checked by hand.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace {

namespace eg = engraft;
using eg::token;

eg::tokenizer const& smollm2() {
    static auto const t = [] {
        std::string const file = ENGRAFT_SMOLLM2 "/SmolLM2-135M-Instruct.Q4_1.gguf";
        if (!std::filesystem::exists(file)) {
            std::cerr << "SKIPPED: there is no " << file << "; sh cmake/fetch_smollm2.sh gets it\n";
            std::exit(77);
        }
        return eg::tokenizer::load(file);
    }();
    return t;
}

std::string at(std::vector<token> const& tokens, long position) {
    return smollm2().decode(std::vector{tokens[static_cast<std::size_t>(position)]});
}

} // namespace

TEST_CASE("a file's pairs have their roles at the right tokens of SmolLM2") {
    auto const file = std::filesystem::temp_directory_path() / "engraft-smollm2-tasks.jsonl";
    std::ofstream(file)
        << R"({"clean": "When Mary and John went to the store, John gave a drink to", )"
        << R"("corrupted": "When Anna and Bartholomew went to the store, Emma gave a drink to", )"
        << R"("answer": " Mary", "wrong": [" John"], "roles": {"io": {"text": "Mary", "corrupted": {"text": "Anna"}}, )"
        << R"("s1": {"text": "John", "corrupted": {"text": "Bartholomew"}}, )"
        << R"("s2": {"text": "John", "occurrence": 2, "corrupted": {"text": "Emma"}}, "end": {"position": -1}}})";
    auto const p = eg::read_pairs(file, smollm2()).pairs.at(0);
    CHECK(p.clean == std::vector<token>{2427, 5099, 284, 2322, 3514, 288, 260, 4249, 28, 2322, 4502, 253, 5968, 288});
    CHECK(p.answers == std::vector<token>{5099});
    CHECK(p.wrong == std::vector<token>{2322});
    CHECK(p.corrupted.size() > p.clean.size()); // Bartholomew is several tokens
    CHECK(p.role("io") == eg::role_place{"io", 1, 1});
    CHECK(p.role("s1").clean == 3);
    CHECK(at(p.corrupted, p.role("s1").corrupted + 1) == " went");
    CHECK(p.role("s2").clean == 9);
    CHECK(at(p.corrupted, p.role("s2").corrupted) == " Emma");
    CHECK(p.role("end").clean == 13);
    CHECK(p.role("end").corrupted == static_cast<long>(p.corrupted.size()) - 1);
    std::filesystem::remove(file);
}

TEST_CASE("each known task makes pairs for SmolLM2, whose roles are where they should be") {
    for (auto const& name : eg::tasks::names()) {
        INFO(name);
        auto const all = eg::pairs_of(name, smollm2(), {.count = 50});
        REQUIRE(all.pairs.size() == 50);
        for (auto const& p : all.pairs) {
            if (name.starts_with("ioi")) {
                CHECK(at(p.clean, p.role("io").clean) == at(p.answers, 0));
                CHECK(at(p.clean, p.role("s1").clean) == at(p.wrong, 0));
                CHECK(at(p.clean, p.role("s2").clean) == at(p.wrong, 0));
                CHECK(at(p.clean, p.role("end").clean) == " to");
            } else if (name == "greater-than") { // digits are tokens: 1, 7, 3, 2
                auto const yy = p.role("yy").clean;
                CHECK(at(p.clean, yy - 4) == " "); // a token of its own before digits
                CHECK(at(p.clean, yy - 3) == "1");
                CHECK(at(p.clean, yy + 1) == " to");
                CHECK(at(p.clean, yy - 1) < at(p.answers, 0));
            } else if (name == "docstring") {
                CHECK(at(p.clean, p.role("c_def").clean) == at(p.answers, 0));
                CHECK(at(p.clean, p.role("a_def").clean) == at(p.clean, p.role("a_doc").clean));
                CHECK(at(p.clean, p.role("end").clean) == "param");
            }
        }
    }
}
