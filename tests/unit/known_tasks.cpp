#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <engraft/engraft.hpp>
#include <engraft/task/known_words.hpp>

#include "../catch.hpp"
#include "word_tokenizer.hpp"

namespace {

namespace eg = engraft;
namespace said = engraft::tasks::detail;
using Catch::Matchers::ContainsSubstring;
using eg::token;

std::vector<std::string> words_in(std::string_view text) {
    std::vector<std::string> words(1);
    for (char const c : text)
        if (c == ' ')
            words.emplace_back();
        else
            words.back() += c;
    return words;
}

/// All words of the tasks but some names.
std::vector<std::string> all_words() {
    std::vector<std::string> all{"to", "he", "she", "is", "person", "isn", "So", "noun", "year", "the"};
    for (auto const words :
         {said::ioi_names, said::ioi_places, said::ioi_objects, said::greater_than_nouns, said::names_of_men,
          said::names_of_women, said::docstring_arguments, said::docstring_nouns})
        for (auto const& word : words_in(words))
            if (word != "Jeffrey" && word != "Gary")
                all.push_back(word);
    return all;
}

/// As GPT-2 does, cuts years before the last two digits; but those from 1750 to 1759.
eg::tokenizer const& gpt2() {
    static auto const t = [] {
        auto words = all_words();
        for (auto const* century : {"11", "12", "13", "14", "15", "16", "17", "175"})
            words.emplace_back(century);
        std::vector<std::vector<std::string>> numbers;
        for (char a = '0'; a <= '9'; ++a)
            for (char b = '0'; b <= '9'; ++b)
                numbers.push_back({std::string(1, a), std::string(1, b)});
        return word_tokenizer::like_gpt2(words, numbers);
    }();
    return t;
}
eg::tokenizer const& gemma() {
    static auto const t = word_tokenizer::like_gemma(all_words());
    return t;
}

/// The text of a token of a prompt.
std::string word(eg::tokenizer const& t, std::vector<token> const& prompt, long at) {
    return t.decode(std::vector{prompt[static_cast<std::size_t>(at)]});
}
std::string clean_word(eg::tokenizer const& t, eg::prompt_pair const& p, std::string_view role) {
    return word(t, p.clean, p.role(role).clean);
}
std::string corrupted_word(eg::tokenizer const& t, eg::prompt_pair const& p, std::string_view role) {
    return word(t, p.corrupted, p.role(role).corrupted);
}
std::string text(eg::tokenizer const& t, token id) { return t.decode(std::vector{id}); }
std::string text(eg::tokenizer const& t, std::vector<token> const& prompt) { return t.decode(prompt, true); }

std::string with(std::string text, std::string const& from, std::string const& to) {
    for (auto at = text.find(from); at != text.npos; at = text.find(from))
        text.replace(at, from.size(), to);
    return text;
}

/// Counts that differ from equal shares by no more than chance: chi squared, within five standard deviations.
template <class Key>
void are_equally_frequent(std::map<Key, int> const& counts, std::size_t kinds) {
    REQUIRE(counts.size() == kinds);
    double sum = 0, chi = 0;
    for (auto const& [key, n] : counts)
        sum += n;
    for (auto const& [key, n] : counts)
        chi += (n - sum / double(kinds)) * (n - sum / double(kinds)) / (sum / double(kinds));
    CHECK(chi < double(kinds - 1) + 5 * std::sqrt(2 * double(kinds - 1)));
}

} // namespace

TEST_CASE("word lists have the lengths of their sources", "[task][tasks]") {
    CHECK(words_in(said::ioi_names).size() == 99);
    CHECK(words_in(said::ioi_places).size() == 8);
    CHECK(words_in(said::ioi_objects).size() == 8);
    CHECK(std::size(said::ioi_templates) == 15);
    CHECK(words_in(said::greater_than_nouns).size() == 120);
    CHECK(words_in(said::docstring_arguments).size() == 111);
    CHECK(words_in(said::docstring_nouns).size() == 687);
    CHECK(words_in(said::names_of_men).size() == 10);
    CHECK(words_in(said::names_of_women).size() == 10);
    CHECK(std::size(said::pronoun_templates) == 5);
}

TEST_CASE("IOI prompts are the reference generator's", "[task][tasks]") {
    auto const& t = GENERATE(true, false) ? gpt2() : gemma();
    auto const all = eg::tasks::ioi(t, {.count = 3000, .seed = 3});
    CHECK(all.left_out == std::vector<std::string>{"Jeffrey"});
    std::map<std::string, int> templates, names, places, objects;
    for (auto const& p : all.pairs) {
        auto const io = clean_word(t, p, "io"), s = clean_word(t, p, "s1");
        REQUIRE(io != s);
        REQUIRE(clean_word(t, p, "s2") == s);
        REQUIRE(p.role("s2").clean > std::max(p.role("io").clean, p.role("s1").clean));
        REQUIRE(clean_word(t, p, "end") == " to");
        REQUIRE(p.role("end").clean == static_cast<long>(p.clean.size()) - 1);
        REQUIRE(text(t, p.answers.at(0)) == io);
        REQUIRE(text(t, p.wrong.at(0)) == s);

        std::set<std::string> const three{corrupted_word(t, p, "io"), corrupted_word(t, p, "s1"),
                                          corrupted_word(t, p, "s2")};
        REQUIRE(three.size() == 3);
        REQUIRE(!three.contains(io));
        REQUIRE(!three.contains(s));
        auto corrupted = p.corrupted; // the rest of the sentence is the same
        for (auto const* role : {"io", "s1", "s2"})
            corrupted[static_cast<std::size_t>(p.role(role).corrupted)] =
                p.clean[static_cast<std::size_t>(p.role(role).clean)];
        REQUIRE(corrupted == p.clean);

        auto sentence = text(t, p.clean);
        for (auto const& name : {std::max(io, s), std::min(io, s)}) // Sara after Sarah
            sentence = with(sentence, name, name == io ? " [A]" : " [B]");
        for (auto const& place : words_in(said::ioi_places))
            if (sentence.find(" " + place) != sentence.npos)
                ++places[place], sentence = with(sentence, " " + place, " [PLACE]");
        for (auto const& object : words_in(said::ioi_objects))
            if (sentence.find(" " + object) != sentence.npos)
                ++objects[object], sentence = with(sentence, " " + object, " [OBJECT]");
        ++templates[sentence];
        ++names[io], ++names[s];
    }
    are_equally_frequent(templates, 30);
    are_equally_frequent(names, 98);
    are_equally_frequent(places, 8);
    are_equally_frequent(objects, 8);
    for (auto const sentence : said::ioi_templates)
        CHECK(templates.contains(std::string(sentence))); // BABA
    CHECK(templates.contains("Then, [A] and [B] went to the [PLACE]. [B] gave a [OBJECT] to"));
    CHECK(templates.contains("The [PLACE] [A] and [B] went to had a [OBJECT]. [B] gave it to"));
}

TEST_CASE("IOI has one order of the names if that is asked for", "[task][tasks]") {
    for (auto const& p : eg::tasks::sample("ioi_abba", gpt2(), {.count = 100}).pairs)
        CHECK(p.role("io").clean < p.role("s1").clean);
    for (auto const& p : eg::tasks::sample("ioi-baba", gpt2(), {.count = 100}).pairs)
        CHECK(p.role("io").clean > p.role("s1").clean);
}

TEST_CASE("greater-than prompts are the reference generator's", "[task][tasks]") {
    auto const& t = gpt2();
    std::map<std::string, int> nouns, centuries;
    std::set<int> seen;
    for (auto const& p : eg::tasks::greater_than(t, {.count = 6000, .seed = 1}).pairs) {
        auto const noun = clean_word(t, p, "noun"), yy = clean_word(t, p, "yy"), xx = clean_word(t, p, "end");
        REQUIRE(text(t, p.clean) == "The" + noun + " lasted from the year" + xx + yy + " to the year" + xx);
        REQUIRE(text(t, p.corrupted) == "The" + noun + " lasted from the year" + xx + "01 to the year" + xx);
        int const y = std::stoi(yy);
        REQUIRE(p.answers.size() == static_cast<std::size_t>(99 - y));
        REQUIRE(p.wrong.size() == static_cast<std::size_t>(y + 1));
        REQUIRE(std::stoi(text(t, p.answers.front())) == y + 1);
        REQUIRE(text(t, p.answers.back()) == "99");
        REQUIRE(text(t, p.wrong.front()) == "00");
        REQUIRE(text(t, p.wrong.back()) == yy);
        ++nouns[noun];
        ++centuries[xx];
        seen.insert(std::stoi(xx) * 100 + y);
    }
    are_equally_frequent(nouns, 120);
    REQUIRE(centuries.size() == 7);
    CHECK(*seen.begin() == 1103); // of 02 to 98, without the first and the last
    CHECK(*seen.rbegin() == 1797);
    for (int year = 1750; year < 1760; ++year)
        CHECK(!seen.contains(year));
    CHECK(seen.size() == 7 * 95 - 10);
}

TEST_CASE("greater-than asks for the third digit if digits are tokens of their own", "[task][tasks]") {
    auto const& t = gemma();
    std::set<char> thirds;
    for (auto const& p : eg::tasks::greater_than(t, {.count = 500}).pairs) {
        auto const sentence = text(t, p.clean);
        char const third = sentence[sentence.find("from the year ") + 16];
        thirds.insert(third);
        REQUIRE(clean_word(t, p, "yy")[0] == sentence[sentence.find("from the year ") + 17]);
        for (auto const id : p.answers)
            REQUIRE(text(t, id)[0] > third);
        for (auto const id : p.wrong)
            REQUIRE(text(t, id)[0] < third);
        REQUIRE(p.answers.size() + p.wrong.size() == 9);
        REQUIRE(p.clean.size() == p.corrupted.size());
    }
    CHECK(thirds == std::set<char>{'1', '2', '3', '4', '5', '6', '7', '8'});
    std::vector<std::string> decades; // of which " 1732" has three digits in a token
    for (int decade = 110; decade < 180; ++decade)
        decades.push_back(std::to_string(decade));
    CHECK_THROWS_WITH(eg::tasks::greater_than(word_tokenizer::like_gpt2(decades), {}),
                      ContainsSubstring("greater-than: this tokenizer cuts no year"));
}

TEST_CASE("docstring prompts are the reference generator's", "[task][tasks]") {
    auto const& t = GENERATE(true, false) ? gpt2() : gemma();
    std::map<std::string, int> answers;
    for (auto const& p : eg::tasks::docstring(t, {.count = 1500, .seed = 2}).pairs) {
        auto const a = clean_word(t, p, "a_def"), b = clean_word(t, p, "b_def"), c = clean_word(t, p, "c_def");
        REQUIRE(clean_word(t, p, "a_doc") == a);
        REQUIRE(clean_word(t, p, "b_doc") == b);
        REQUIRE(text(t, p.answers.at(0)) == c);
        REQUIRE(p.wrong.size() == 13);
        REQUIRE(p.clean.size() == p.corrupted.size());
        REQUIRE(p.role("a_def").clean < p.role("b_def").clean);
        REQUIRE(p.role("b_def").clean < p.role("c_def").clean);
        REQUIRE(p.role("c_def").clean < p.role("a_doc").clean);
        auto const prompt = text(t, p.clean);
        REQUIRE(prompt.starts_with("\ndef "));
        auto const middle = "," + a + "," + b + "," + c + ", ";
        REQUIRE(prompt.find(middle) != prompt.npos);
        REQUIRE(prompt.find("\n    :param" + a + ": ") != prompt.npos);
        REQUIRE(prompt.ends_with("\n    :param"));
        REQUIRE(std::ranges::count(prompt, '\n') == 6);
        for (auto const* role : {"a_def", "b_def", "c_def", "a_doc", "b_doc"}) // five other names, all different
            REQUIRE(std::ranges::count(p.corrupted, p.corrupted[static_cast<std::size_t>(p.role(role).corrupted)]) >=
                    1);
        std::set<std::string> const others{corrupted_word(t, p, "a_def"),
                                           corrupted_word(t, p, "b_def"),
                                           corrupted_word(t, p, "c_def"),
                                           corrupted_word(t, p, "a_doc"),
                                           corrupted_word(t, p, "b_doc"),
                                           a,
                                           b,
                                           c};
        REQUIRE(others.size() == 8);
        ++answers[c];
    }
    are_equally_frequent(answers, 111);
}

TEST_CASE("gendered pronoun prompts are each of the source's as often", "[task][tasks]") {
    auto const& t = GENERATE(true, false) ? gpt2() : gemma();
    auto const all = eg::tasks::gendered_pronoun(t, {.count = 190}); // 19 names, since Gary is several tokens
    CHECK(all.left_out == std::vector<std::string>{"Gary"});
    std::map<std::string, int> prompts;
    for (auto const& p : all.pairs) {
        auto const name = clean_word(t, p, "name").substr(1);
        auto const men = words_in(said::names_of_men);
        bool const man = std::ranges::find(men, name) != men.end();
        CHECK(text(t, p.answers.at(0)) == (man ? " he" : " she"));
        CHECK(text(t, p.wrong.at(0)) == (man ? " she" : " he"));
        CHECK(corrupted_word(t, p, "name") == " person");
        CHECK(clean_word(t, p, "is") == " is");
        CHECK(corrupted_word(t, p, "is") == " is");
        auto const prompt = text(t, p.clean);
        CHECK(prompt.starts_with("So " + name + " is "));
        CHECK(text(t, p.corrupted) == with(prompt, "So " + name, "That person"));
        ++prompts[prompt];
    }
    CHECK(prompts.size() == 95);
    CHECK(std::ranges::all_of(prompts, [](auto const& p) { return p.second == 2; }));
}

TEST_CASE("induction prompts say a list of random tokens again", "[task][tasks]") {
    auto const& t = gemma();
    std::set<std::size_t> lengths;
    for (auto const& p : eg::tasks::induction(t, {.count = 300}).pairs) {
        REQUIRE(p.clean.size() == p.corrupted.size());
        REQUIRE(p.clean[0] == 2); // <bos>
        auto const repeated = p.clean.size() - 21;
        REQUIRE(repeated >= 1);
        REQUIRE(repeated <= 19);
        lengths.insert(repeated);
        for (std::size_t i = 0; i < repeated; ++i) {
            REQUIRE(p.clean[21 + i] == p.clean[1 + i]);
            REQUIRE(p.corrupted[21 + i] == p.clean[1 + i]);
        }
        REQUIRE(std::set(p.clean.begin() + 1, p.clean.begin() + 21).size() == 20);
        for (std::size_t i = 1; i < 21; ++i)
            REQUIRE(std::ranges::count(p.corrupted, p.corrupted[i]) == 1);
        REQUIRE(p.role("previous").clean == static_cast<long>(repeated));
        REQUIRE(p.clean[static_cast<std::size_t>(p.role("previous").clean)] == p.clean.back());
        REQUIRE(p.answers.at(0) == p.clean[static_cast<std::size_t>(p.role("answer").clean)]);
        REQUIRE(p.wrong.at(0) == p.corrupted[static_cast<std::size_t>(p.role("answer").corrupted)]);
        REQUIRE(std::ranges::none_of(p.clean.begin() + 1, p.clean.end(), [&](token id) { return t.is_special(id); }));
    }
    CHECK(lengths.size() == 19);
}

TEST_CASE("the boxes task is a source of pairs", "[task][tasks]") {
    auto const t = eg::tokenizer::load(ENGRAFT_EXAMPLES_DATA "/base");
    auto const all = eg::pairs_of("boxes", t, {.count = 21, .seed = 3});
    auto const p = eg::boxes::sample(t, {.examples = 21, .seed = 3});
    CHECK(all.clean() == p.tokens);
    CHECK(all.corrupted() == p.noise_tokens);
    CHECK(all.left_out == p.left_out);
    for (auto const& role : p.roles) {
        CHECK(all.role(role.name).positions == role.positions);
        CHECK(all.corrupted_role(role.name).positions == p.noise_role(role.name).positions);
    }
    for (std::size_t e = 0; e < 21; ++e) {
        CHECK(all.pairs[e].answers == std::vector<token>{p.answers[e]});
        CHECK(all.pairs[e].wrong.size() == 6);
    }
}

TEST_CASE("the same seed gives the same pairs, and each task is found by its name", "[task][tasks]") {
    for (auto const& name : eg::tasks::names()) {
        if (name == "boxes")
            continue; // above
        INFO(name);
        auto const of = [&](std::uint64_t seed) {
            return eg::pairs_of(name, gpt2(), {.count = 5, .seed = seed}).pairs;
        };
        CHECK(of(1).size() == 5);
        CHECK(of(1) == of(1));
        CHECK(of(1) != of(2));
    }
    CHECK_THROWS_WITH(eg::pairs_of("IOI", gpt2()), ContainsSubstring("no file and no task 'IOI'; the tasks are ioi, "));
    CHECK_THROWS_WITH(eg::tasks::sample("ioj", gpt2(), {}), ContainsSubstring("no task 'ioj'"));
    CHECK_THROWS_WITH(eg::pairs_of("ioi", gpt2(), {.count = 0}), ContainsSubstring("at least one pair"));
    CHECK_THROWS_WITH(eg::pairs_of("ioi", word_tokenizer::like_gpt2({"Mary", "John"}), {}),
                      ContainsSubstring("ioi: only 2 of its 99 words are one token for this tokenizer; 5 are needed"));
}
