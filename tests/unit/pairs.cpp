#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <engraft/engraft.hpp>

#include "../catch.hpp"
#include "word_tokenizer.hpp"

namespace {

namespace eg = engraft;
using Catch::Matchers::ContainsSubstring;
using eg::token;

std::vector<std::string> const words{"When",  "Mary", "and",  "John", "went", "to",   "the", "store", "gave", "a",
                                     "drink", "Anna", "Paul", "Emma", "Ann",  "year", "Lee", "17",    "Bar"};

eg::tokenizer const& gpt2() {
    static auto const t = word_tokenizer::like_gpt2(words, {{"W", "h", "e", "n"}, {"3", "2"}});
    return t;
}
eg::tokenizer const& gemma() {
    static auto const t = word_tokenizer::like_gemma(words);
    return t;
}
eg::tokenizer const& llama() {
    static auto const t = word_tokenizer::like_gemma(words, true);
    return t;
}

std::string const mary = R"("clean": "When Mary and John went to the store, John gave a drink to", )"
                         R"("corrupted": "When Anna and Paul went to the store, Emma gave a drink to")";
std::string const roles =
    R"("roles": {"io": {"text": "Mary"}, "s2": {"text": "John", "occurrence": 2}, "end": {"position": -1}})";

/// A file that a test writes; gone with it.
class written {
public:
    written(std::string const& name, std::string const& text) {
        std::string folder = (std::filesystem::temp_directory_path() / "engraft-pairs-XXXXXX").string();
        REQUIRE(::mkdtemp(folder.data()));
        path_ = std::filesystem::path(folder) / name;
        std::ofstream(path_, std::ios::binary) << text;
    }
    written(written const&) = delete;
    ~written() { std::filesystem::remove_all(path_.parent_path()); }

    std::filesystem::path const& path() const { return path_; }

private:
    std::filesystem::path path_;
};

eg::prompt_pairs read(std::string const& text, eg::tokenizer const& t = gpt2(), std::string const& name = "p.jsonl") {
    return eg::read_pairs(written(name, text).path(), t);
}

std::string refusal(std::string const& text, eg::tokenizer const& t = gpt2(), std::string const& name = "p.jsonl") {
    try {
        read(text, t, name);
    } catch (eg::bad_file const& e) {
        return e.what();
    }
    return "nothing was refused";
}

std::string word(eg::tokenizer const& t, std::vector<token> const& tokens, long at) {
    return t.text(tokens[static_cast<std::size_t>(at)]);
}

} // namespace

TEST_CASE("a role said by text is at the token of that text, whatever the tokenizer", "[task][pairs]") {
    auto const line = "{" + mary + R"(, "answer": " Mary", "wrong": [" John"], )" + roles + "}\n";

    auto const p = read(line).pairs.at(0);
    REQUIRE(p.clean.size() == 14); // "," is a token
    CHECK(p.role("io") == eg::role_place{"io", 1, 1});
    CHECK(p.role("s2") == eg::role_place{"s2", 9, 9});
    CHECK(p.role("end") == eg::role_place{"end", 13, 13});
    CHECK(p.answers == std::vector<token>{gpt2().require_token(" Mary")});
    CHECK(p.wrong == std::vector<token>{gpt2().require_token(" John")});
    CHECK(word(gpt2(), p.corrupted, p.role("s2").corrupted) == "ĠEmma");

    // "When" is four characters here, behind <bos>; Llama's is one word with the space before it.
    auto const g = read(line, gemma()).pairs.at(0);
    CHECK(g.role("io").clean == 5);
    CHECK(word(gemma(), g.clean, g.role("io").clean) == "▁Mary");
    CHECK(word(gemma(), g.clean, g.role("s2").clean) == "▁John");
    CHECK(word(gemma(), g.corrupted, g.role("io").corrupted) == "▁Anna");
    auto const l = read(line, llama()).pairs.at(0);
    CHECK(l.role("io").clean == 2);
    CHECK(word(llama(), l.clean, l.role("s2").clean) == "▁John");
    CHECK(word(llama(), l.clean, l.role("end").clean) == "▁to");
    CHECK(llama().text(l.answers.at(0)) == "▁Mary"); // which " Mary" by itself is not: two spaces become a token
}

TEST_CASE("a word of several tokens has a first and a last one", "[task][pairs]") {
    auto const of = [](std::string const& token) {
        auto const p = read(R"({"clean": "When Barxy and John", "corrupted": "When Barxz and Paul", "answer": " Mary",)"
                            R"("roles": {"name": {"text": "Barxy", "token": ")" +
                            token + R"("}}})")
                           .pairs.at(0);
        return word(gpt2(), p.clean, p.role("name").clean);
    };
    CHECK(of("first") == "ĠBar");
    CHECK(of("last") == "y");

    std::string const line = R"({"clean": "When", "corrupted": "When", "answer": " Barxy", "wrong": " John")";
    CHECK_THAT(refusal(line + "}"), ContainsSubstring("line 1: the answer ' Barxy' is 3 tokens instead of one"));
    CHECK(read(line + R"(, "first_token": true})").pairs.at(0).answers ==
          std::vector<token>{gpt2().require_token(" Bar")});
    CHECK_THAT(refusal(R"({"clean": "When", "corrupted": "When", "answer": " Barxy", "wrong": [" John", " Barz"],)"
                       R"("first_token": true})"),
               ContainsSubstring("(' Bar') is both an answer and a wrong answer"));
}

TEST_CASE("prompts of unequal length are aligned by roles", "[task][pairs]") {
    std::string const pair =
        R"({"clean": "When Mary gave", "corrupted": "When Anna Lee gave", "answer": " a", "roles": )";
    auto const p = read(pair + R"({"io": {"text": "Mary", "corrupted": {"text": "Anna Lee"}},)"
                               R"("verb": {"text": "gave", "corrupted": {"position": 3}}, "end": {"position": -1}}})");
    CHECK(p.pairs[0].roles == std::vector<eg::role_place>{{"io", 1, 2}, {"end", 2, 3}, {"verb", 2, 3}});
    CHECK(p.clean().rows().length(0) == 3);
    CHECK(p.corrupted().rows().length(0) == 4);
    auto const role = p.role("io");
    CHECK(role.positions == std::vector<long>{1});
    CHECK(role.source_positions == std::vector<long>{2});
    CHECK(p.corrupted_role("io").positions == std::vector<long>{2});
    CHECK_THROWS_WITH(p.role("s1"), ContainsSubstring("no role 's1'; its roles are io, end, verb"));

    for (auto const* role_without : {R"({"io": {"text": "Mary"}}})", R"({"io": {"position": 1}}})"})
        CHECK_THAT(refusal(pair + role_without),
                   ContainsSubstring("line 1: role 'io': the prompts have 3 and 4 tokens, so that the role must say"));
    CHECK_THAT(refusal(pair + "{}}"), ContainsSubstring("line 1: the prompts have 3 and 4 tokens, so that roles must"));

    // The first token of a text is meant in both prompts.
    auto const first = read(pair + R"({"io": {"text": "Mary", "token": "first", "corrupted": {"text": "Anna Lee"}}}})");
    CHECK(first.pairs[0].role("io").corrupted == 1);
}

TEST_CASE("a text is found as a word of its own, and inside words only if it is none", "[task][pairs]") {
    auto const at = [](std::string const& clean, std::string const& role) {
        return read(R"({"clean": ")" + clean + R"(", "corrupted": ")" + clean +
                    R"(", "answer": " a", "roles": {"x": )" + role + "}}")
            .pairs.at(0)
            .role("x")
            .clean;
    };
    CHECK(at("When Anna and Ann went", R"({"text": "Ann"})") == 3); // not in Anna
    CHECK(at("When Anna and Ann went to Ann", R"({"text": "Ann", "occurrence": 2})") == 6);
    CHECK(at("When the year 1732 and", R"({"text": "32"})") == 4);
    CHECK(at("When the year 1732 and", R"({"text": "17"})") == 3);
    CHECK(at("When the year 1732 and", R"({"text": "1732"})") == 4);
    CHECK(at("When the year 1732 and", R"({"text": "1732", "token": "first"})") == 3);
    CHECK(at("When Mary and John", R"({"text": " Mary and"})") == 2);
    CHECK_THAT(
        refusal(R"({"clean": "When Mary", "corrupted": "When Anna", "answer": " a", "roles": {"x": {"text": "Mar"}}})"),
        ContainsSubstring("role 'x': 'Mar' is only a part of the token ' Mary' of the clean prompt"));
}

TEST_CASE("all lines that do not fit are named at once", "[task][pairs]") {
    auto const good = "{" + mary + R"(, "answer": " Mary"})" + "\n";
    auto const said = refusal(good + "\n" + "{\"clean\": 1\n" + good + R"({"clean": "When", "corrupted": "When"})" +
                              "\r\n" + R"({"clean": "When", "corrupted": "When", "answer": " qqq"})");
    CHECK_THAT(said, ContainsSubstring("p.jsonl: 3 lines do not fit: line 3: not valid JSON at column "));
    CHECK_THAT(said, ContainsSubstring("; line 5: "));
    CHECK_THAT(said, ContainsSubstring("; line 6: the answer ' qqq' is 4 tokens"));
    CHECK(said.find("line 1") == said.npos);
    CHECK(said.find("line 4") == said.npos);

    // However many there are: sentences for the first, numbers for the rest.
    std::string many;
    for (int i = 0; i < 60; ++i)
        many += "{}\n";
    CHECK_THAT(refusal(many), ContainsSubstring("60 lines do not fit: line 1: ") && ContainsSubstring(", 59, 60"));
}

TEST_CASE("thousands of lines that do not fit make one message that can be read", "[task][pairs]") {
    std::string many;
    for (int i = 0; i < 3000; ++i)
        many += "{}\n";
    auto const said = refusal(many);
    CHECK_THAT(said, ContainsSubstring("3000 lines do not fit: line 1: ") && ContainsSubstring(" more"));
    CHECK(said.size() < 2000);
}

TEST_CASE("what is wrong with a line is one sentence", "[task][pairs]") {
    auto const row = [](std::string const& more) { return "{" + mary + R"(, "answer": " Mary", )" + more + "}"; };
    auto const role = [&](std::string const& said) { return row(R"("roles": {"io": )" + said + "}"); };
    auto const [line, sentence] = GENERATE_COPY(values<std::pair<std::string, std::string>>({
        {"[]", "expected a JSON object"},
        {R"({"clean": "", "corrupted": "When", "answer": " a"})", "'clean' must be a text or a list of tokens"},
        {R"({"clean": [], "corrupted": "When", "answer": " a"})", "'clean' must be a text or a list of tokens"},
        {R"({"clean": [-1], "corrupted": "When", "answer": " a"})", "clean"},
        {R"({"clean": [1000000], "corrupted": [1], "answer": " a"})", "the clean prompt has the token 1000000"},
        {R"({"clean": [1], "corrupted": [1], "answer": 1000000})", "the answer has the token 1000000"},
        {R"({"clean": [1], "corrupted": [1], "answer": 1, "roles": {"x": {"text": "a"}}})", "is given as tokens"},
        {R"({"clean": "When", "answer": " a"})", "corrupted"},
        {R"({"clean": "When", "corrupted": "When", "answer": []})", "'answer' must have at least one answer"},
        {R"({"clean": "When", "corrupted": "When", "answer": ""})", "'answer' must be a text or a token"},
        {R"({"clean": "When", "corrupted": "When", "answer": [null]})", "'answer' must be a text or a token"},
        {row(R"("wrongs": " John")"), "'wrongs' is"},
        {row(R"("wrong": " Mary")"), "is both an answer and a wrong answer"},
        {row(R"("first_token": 1)"), "first_token"},
        {row(R"("roles": {"": {"position": 0}})"), "a role's name must have 1 to 120 bytes"},
        {role("3"), "role 'io'"},
        {role("{}"), "role 'io': a role must have either \"text\" or \"position\""},
        {role(R"({"text": "Mary", "position": 1})"), "a role must have either \"text\" or \"position\""},
        {role(R"({"text": ""})"), "a role's text is empty"},
        {role(R"({"text": "Emma"})"), "role 'io': the clean prompt has 'Emma' 0 times, and occurrence 1 is asked for"},
        {role(R"({"text": "Mary", "occurrence": 2})"), "the clean prompt has 'Mary' 1 time, and occurrence 2"},
        {role(R"({"text": "Mary", "occurrence": 0})"), "occurrence"},
        {role(R"({"text": "Mary", "token": "middle"})"), "'token' must be \"first\" or \"last\", not \"middle\""},
        {role(R"({"position": 14})"), "the clean prompt has 14 tokens, and position 14 is not one of them"},
        {role(R"({"position": -15})"), "position -15 is not one of them"},
        {role(R"({"position": 1.5})"), "position"},
        {role(R"({"position": 1, "token": "last"})"), "'token' is"},
        {role(R"({"text": "Mary", "corrupted": {"text": "Mary"}})"), "the corrupted prompt has 'Mary' 0 times"},
        {role(R"({"text": "Mary", "corrupted": {"position": 1, "corrupted": {}}})"), "'corrupted' is"},
    }));
    INFO(line);
    CHECK_THAT(refusal(line), ContainsSubstring("1 line does not fit: line 1") && ContainsSubstring(sentence));
}

TEST_CASE("a file without pairs is refused", "[task][pairs]") {
    CHECK_THAT(refusal("\n \n"), ContainsSubstring("there are no pairs of prompts in it"));
    CHECK_THAT(refusal(""), ContainsSubstring("empty"));
    CHECK_THROWS_AS(eg::read_pairs("nowhere.jsonl", gpt2()), eg::bad_file);
}

TEST_CASE("pairs that are written as tokens are read as the same pairs", "[task][pairs]") {
    auto const text = "\xEF\xBB\xBF{" + mary + R"(, "answer": [" Mary", " Anna"], "wrong": [" John"], )" + roles +
                      "}\n" +
                      R"({"clean": [5, 6], "corrupted": [7, 8], "answer": 9, "roles": {"a \"b\"": {"position": 1}}})";
    auto const pairs = read(text);
    REQUIRE(pairs.pairs.size() == 2);
    CHECK(pairs.pairs[1].clean == std::vector<token>{5, 6});
    CHECK(pairs.pairs[1].answers == std::vector<token>{9});
    written const file("again.jsonl", "");
    eg::write_pairs(file.path(), pairs);
    CHECK(eg::read_pairs(file.path(), gpt2()).pairs == pairs.pairs);
}

TEST_CASE("CSV has the same pairs", "[task][pairs]") {
    auto const expected = read("{" + mary + R"(, "answer": " Mary", "wrong": [" John", " Paul"], )" + roles + "}\n" +
                               R"({"clean": "When \"a\"\nto", "corrupted": "When \"a\"\nto", "answer": " a"})");
    auto const cells = [](std::string const& line_end) {
        return R"(answer,clean,corrupted,roles,wrong)" + line_end +
               R"( Mary,"When Mary and John went to the store, John gave a drink to",)"
               R"("When Anna and Paul went to the store, Emma gave a drink to",)"
               R"("{""io"": {""text"": ""Mary""}, ""s2"": {""text"": ""John"", ""occurrence"": 2}, ""end"": {""position"": -1}}",)"
               R"("["" John"", "" Paul""]")" +
               line_end + line_end + R"( a,"When ""a""
to","When ""a""
to",,)";
    };
    CHECK(read(cells("\n"), gpt2(), "p.csv").pairs == expected.pairs);
    CHECK(read(cells("\r\n") + "\r\n", gpt2(), "p.csv").pairs == expected.pairs);
}

TEST_CASE("what is wrong with CSV is named by its line", "[task][pairs]") {
    std::string const header = "clean,corrupted,answer,first_token\n", good = "\"When\na\",\"When\na\", a,true\n";
    auto const [row, sentence] = GENERATE(values<std::pair<std::string, std::string>>({
        {"When,When\n", "the record has 2 fields; the header has 4"},
        {"When,When, a,\"true\" \n", "is followed by neither a comma nor the line's end"},
        {"Wh\"en,When, a,true\n", "a field with a quotation mark must be between quotation marks"},
        {"When,When, a,\"true\n", "a field's closing quotation mark is missing"},
        {"When,When, a,yes\n", "'first_token' must be true or false, not 'yes'"},
        {"When,When,,\n", "answer"},
    }));
    // The first record takes three lines.
    CHECK_THAT(refusal(header + good + row, gpt2(), "p.csv"),
               ContainsSubstring("1 line does not fit: line 5: ") && ContainsSubstring(sentence));
    CHECK_THAT(refusal("clean,answer\n", gpt2(), "p.csv"), ContainsSubstring("the header has no 'corrupted'"));
    CHECK_THAT(refusal("clean,clean\n", gpt2(), "p.csv"), ContainsSubstring("the header has 'clean' twice"));
    CHECK_THAT(refusal("clean,corrupted,answer,role\n", gpt2(), "p.csv"), ContainsSubstring("'role' is"));
    CHECK_THAT(refusal(header, gpt2(), "p.csv"), ContainsSubstring("there are no pairs of prompts in it"));
}
