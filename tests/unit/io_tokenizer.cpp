#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <engraft/io/json.hpp>
#include <engraft/io/normalization.hpp>
#include <engraft/io/text_pattern.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/io/tokenizer_json.hpp>
#include <engraft/io/utf8.hpp>

#include "../catch.hpp"
#include "io_attack.hpp"

namespace {

using Catch::Matchers::ContainsSubstring;
using engraft::token;
using engraft::tokenizer;

std::string const data = std::string(ENGRAFT_TEST_DATA) + "/data/tokenizer/";
std::string const pair_folder = std::string(ENGRAFT_EXAMPLES_DATA) + "/base";

/// A tokenizer from JSON written in a test.
tokenizer from(std::string const& json) {
    std::string const path = "a tokenizer";
    return tokenizer(engraft::read_tokenizer_json(json, path), path);
}

std::string const tiny_model = R"({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 7}, "merges": ["a b"]})";

std::string tiny(std::string const& more) {
    return R"({"model": )" + tiny_model + (more.empty() ? "" : ", " + more) + "}";
}

/// A folder of files that a test writes; gone with it.
class folder {
public:
    folder() {
        std::string name = (std::filesystem::temp_directory_path() / "engraft-tokenizer-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()));
        path_ = name;
    }
    folder(folder const&) = delete;
    ~folder() { std::filesystem::remove_all(path_); }

    std::filesystem::path const& path() const { return path_; }
    void write(std::string const& name, std::string const& text) const {
        std::ofstream(path_ / name, std::ios::binary) << text;
    }

private:
    std::filesystem::path path_;
};

void agrees(std::string const& name, std::string const& path) {
    auto const t = tokenizer::load(path);
    auto const texts = engraft::read_json(data + "texts.json").get<std::vector<std::string>>();
    auto const rows = engraft::read_json(data + name + ".expected.json");
    REQUIRE(texts.size() >= 300);
    REQUIRE(rows.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        INFO(name << ", text " << i << ": " << nlohmann::json(texts[i]).dump());
        auto const with_special = rows[i][0].get<std::vector<token>>();
        CHECK(t.encode(texts[i]) == with_special);
        CHECK(t.encode(texts[i], false) == rows[i][1].get<std::vector<token>>());
        CHECK(t.decode(with_special) == (rows[i][2].is_null() ? texts[i] : rows[i][2].get<std::string>()));
        CHECK(t.decode(with_special, true) == (rows[i][3].is_null() ? texts[i] : rows[i][3].get<std::string>()));
    }
}

} // namespace

TEST_CASE("offsets of tokens cover the text, in order, and say what each token stands for", "[io][tokenizer]") {
    auto const name = GENERATE(as<std::string>{}, "gpt2", "gpt2_prefix", "llama3", "qwen2", "smollm2", "splits",
                               "llama2", "llama1", "metaspace");
    auto const t = tokenizer::load(data + name + ".json");
    for (auto const& text : engraft::read_json(data + "texts.json").get<std::vector<std::string>>()) {
        INFO(name << ": " << nlohmann::json(text).dump());
        for (bool const special : {false, true}) {
            auto const found = t.encode_with_offsets(text, special);
            CHECK(found.tokens == t.encode(text, special));
            REQUIRE(found.bytes.size() == found.tokens.size());
            for (auto const& r : found.bytes)
                CHECK((r.begin <= r.end && r.end <= text.size()));
        }
        auto const found = t.encode_with_offsets(text, false);
        if (name == "splits" || engraft::nfc(text) != text || name == "llama1")
            continue; // some of the text is dropped, changed, or unknown: <unk> stands behind later bytes
        std::size_t end = 0;
        for (std::size_t i = 0; i < found.tokens.size(); ++i) {
            auto const [from, to] = found.bytes[i];
            CHECK(from == end);
            end = to;
            auto const part = text.substr(from, to - from);
            auto const written = t.decode(std::vector{found.tokens[i]});
            if (engraft::is_utf8(part) && i > 0 && name != "llama2" && name != "metaspace" && name != "gpt2_prefix")
                CHECK(part.find(written) != part.npos); // [MASK] takes space along
        }
        CHECK(end == text.size());
    }
}

TEST_CASE("offsets of tokens, by hand", "[io][tokenizer]") {
    using ranges = std::vector<engraft::byte_range>;
    auto const of = [](std::string const& name, std::string const& text) {
        return tokenizer::load(data + name + ".json").encode_with_offsets(text).bytes;
    };
    // W he n ' M' a r y
    CHECK(of("gpt2", "When Mary") == ranges{{0, 1}, {1, 3}, {3, 4}, {4, 6}, {6, 7}, {7, 8}, {8, 9}});
    // <s>, then a space that the text does not have
    CHECK(of("llama2", "When Mary") == ranges{{0, 0}, {0, 0}, {0, 1}, {1, 3}, {3, 4}, {4, 6}, {6, 7}, {7, 8}, {8, 9}});
    // a character without a token becomes its bytes
    CHECK(of("llama2", "\u00e9") == ranges{{0, 0}, {0, 0}, {0, 2}});
    CHECK(of("llama2", "\U0001F600") == ranges{{0, 0}, {0, 0}, {0, 1}, {1, 2}, {2, 3}, {3, 4}});
    // e and an accent are one character after normalization, which has the bytes of both
    CHECK(of("qwen2", "e\u0301t x") == ranges{{0, 4}, {4, 5}, {5, 6}});
    // what it leaves as it is has its own bytes, here the three of a character that has no token
    CHECK(of("qwen2", "e\u0301\u6f22") == ranges{{0, 3}, {3, 4}, {4, 5}, {5, 6}});
    // unknown characters have their own bytes, unless they are one token together
    CHECK(of("llama1", "a\U0001F600\U0001F601b") == ranges{{0, 0}, {0, 1}, {1, 5}, {5, 9}, {9, 10}});
    auto const fused = from(R"({"model": {"type": "BPE", "vocab": {"a": 0, "?": 1}, "merges": [], "unk_token": "?",)"
                            R"("fuse_unk": true}})");
    CHECK(fused.encode_with_offsets("a\U0001F600\U0001F601a").bytes == ranges{{0, 1}, {1, 9}, {9, 10}});
    // special tokens that are written in the text; [MASK] takes the space before it
    CHECK(of("gpt2", "a [MASK]<s>b") == ranges{{0, 1}, {1, 8}, {8, 11}, {11, 12}});
}

TEST_CASE("tokenizers agree with Hugging Face's on every text", "[io][tokenizer]") {
    auto const name = GENERATE(as<std::string>{}, "gpt2", "gpt2_prefix", "llama3", "qwen2", "smollm2", "splits",
                               "llama2", "llama1", "metaspace");
    agrees(name, data + name + ".json");
}

TEST_CASE("the pair's tokenizer agrees with Hugging Face's", "[io][tokenizer]") {
    agrees("pair", pair_folder);
    auto const t = tokenizer::load(pair_folder);
    auto const expected = engraft::read_json(data + "pair_prompts.expected.json");
    std::ifstream lines(std::string(ENGRAFT_EXAMPLES_DATA) + "/prompts.jsonl");
    std::size_t n = 0;
    for (std::string line; std::getline(lines, line); ++n) {
        auto const prompt = engraft::parse_json(line, "prompts.jsonl");
        auto const text = engraft::require_string(prompt, "prompt", "prompts.jsonl");
        REQUIRE(n < expected.size());
        CHECK(t.encode(text) == expected[n].get<std::vector<token>>());
        CHECK(t.decode(t.encode(text, false)) == text);
        CHECK(t.is_single_token(engraft::require_string(prompt, "answer", "prompts.jsonl")));
    }
    CHECK(n == 500);
}

TEST_CASE("a folder's tokenizer is what transformers makes of its files", "[io][tokenizer]") {
    auto const all = engraft::read_json(data + "configs.expected.json");
    auto const texts = all[0].get<std::vector<std::string>>();
    REQUIRE(all.size() > 80);
    for (std::size_t c = 1; c < all.size(); ++c) {
        folder const at;
        at.write("tokenizer.json", engraft_test::contents(data + all[c]["tokenizer"].get<std::string>() + ".json"));
        for (auto const& [name, value] : all[c]["files"].items())
            at.write(name, value.dump());
        INFO("case " << c << ": " << all[c]["tokenizer"] << " " << all[c]["files"].dump());
        auto const t = tokenizer::load(c % 2 ? at.path() : at.path() / "tokenizer.json");
        for (std::size_t i = 0; i < texts.size(); ++i) {
            INFO(nlohmann::json(texts[i]).dump());
            auto const& row = all[c]["rows"][i];
            auto const ids = row[0].get<std::vector<token>>();
            CHECK(t.encode(texts[i]) == ids);
            CHECK(t.decode(ids) == (row[1].is_null() ? texts[i] : row[1].get<std::string>()));
            CHECK(t.decode(ids, true) == (row[2].is_null() ? texts[i] : row[2].get<std::string>()));
        }
    }
}

TEST_CASE("a tokenizer_config.json that can't be followed is refused by name", "[io][tokenizer]") {
    struct refused {
        std::string config, why;
    };
    std::string const hello = R"("content": "Hello", "special": false)";
    std::string const decoder = R"({"tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": )";
    std::vector<refused> const cases{
        {"[]", "must be an object"},
        {R"({"tokenizer_class": "T5TokenizerFast"})", "unsupported: the tokenizer_class 'T5Tokenizer'"},
        {R"({"tokenizer_class": 3})", "'tokenizer_class' must be"},
        {R"({"split_special_tokens": true})", "unsupported: split_special_tokens"},
        {R"({"fix_mistral_regex": true})", "unsupported: fix_mistral_regex"},
        {R"({"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": true})", "unsupported: clean"},
        {R"({"auto_map": {"AutoTokenizer": ["a.B", null]}})", "unsupported: auto_map"},
        {R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": 1})", "'add_prefix_space' must be"},
        {R"({"added_tokens_decoder": {"900": {)" + hello + "}}}",
         "'Hello' has the number 900 here, but transformers makes it 706"},
        {R"({"added_tokens_decoder": {"9": {"content": "keep"}}})",
         "'keep' has the number 9 here, but transformers makes it 703"},
        {R"({"added_tokens_decoder": {"x": {)" + hello + "}}}", "by their numbers, but has 'x'"},
        {R"({"added_tokens_decoder": {"-1": {)" + hello + "}}}", "by their numbers, but has '-1'"},
        {R"({"added_tokens_decoder": {"706": {"content": ""}}})", "must not be empty"},
        {R"({"added_tokens_decoder": {"706": "Hello"}})", "Hello"},
        {decoder + R"({"0": {"content": "<s>"}}})", "has no token '</s>', which tokenizer.json has"},
        {R"({"bos_token": 3})", "3"},
        {R"({"extra_special_tokens": {"a": "<a>", "b": "<b>"}})", "several tokens without a number"},
    };
    for (auto const& c : cases) {
        folder const at;
        at.write("tokenizer.json", engraft_test::contents(data + "gpt2.json"));
        at.write("tokenizer_config.json", c.config);
        INFO(c.config);
        CHECK_THROWS_AS(tokenizer::load(at.path()), engraft::bad_file);
        CHECK_THROWS_WITH(tokenizer::load(at.path()),
                          ContainsSubstring(c.why) && ContainsSubstring("tokenizer_config.json: "));
    }
    folder const at; // without the file, and by another name, tokenizer.json speaks for itself
    at.write("tokenizer.json", engraft_test::contents(data + "gpt2.json"));
    at.write("config.json", R"({"model_type": "qwen3"})");
    at.write("other.json", engraft_test::contents(data + "gpt2.json"));
    auto const plain = tokenizer::load(data + "gpt2.json").encode("12345");
    CHECK(tokenizer::load(at.path()).encode("12345") == plain);
    at.write("tokenizer_config.json", "{}");
    CHECK(tokenizer::load(at.path() / "other.json").encode("12345") == plain);
    CHECK(tokenizer::load(at.path()).encode("12345") != plain);
}

TEST_CASE("a corrupted tokenizer_config.json is read or refused", "[io][attack]") {
    std::string const config =
        R"({"tokenizer_class": "Qwen2Tokenizer", "bos_token": "<s>", "extra_special_tokens": ["<x>"], "z_token": "<img>",
            "added_tokens_decoder": {"0": {"content": "<s>", "special": true}, "1": {"content": "</s>"},
                                     "2": {"content": "<unk>"}, "732": {"content": "\u00c5ngstr\u00f6m"},
                                     "733": {"content": "<|im_end|>", "special": true}}})";
    folder const at;
    at.write("tokenizer.json", engraft_test::contents(data + "qwen2.json"));
    at.write("whole.json", config);
    auto const refused = engraft_test::attack(at.path() / "whole.json", 400, 300, 25, [&](std::string const& path) {
        std::filesystem::copy_file(path, at.path() / "tokenizer_config.json",
                                   std::filesystem::copy_options::overwrite_existing);
        tokenizer::load(at.path()).encode("a<s> b");
    });
    CHECK(refused > 50);
}

TEST_CASE("an added token that the normalizers change is written as they leave it", "[io][tokenizer]") {
    auto const t = from(tiny(
        R"("added_tokens": [{"id": 9, "content": "x y", "normalized": true}, {"id": 10, "content": "<s>", "special": true,
                             "normalized": true}, {"id": 11, "content": "</s>", "special": true}],
           "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "_"},
                          {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]},
           "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"}, "content": " "},
                       {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})"));
    CHECK(t.text(9) == "x y");
    CHECK(t.find("x y") == token{9});
    CHECK_FALSE(t.find("_x_y"));
    CHECK(t.decode(std::vector<token>{9, 9}) == "x y x y");
    CHECK(t.decode(std::vector<token>{10, 9, 11}, true) == "<s> x y");
}

TEST_CASE("a tokenizer answers questions about its vocabulary", "[io][tokenizer]") {
    auto const t = tokenizer::load(pair_folder + "/tokenizer.json");
    CHECK(t.size() == 755);
    CHECK(t.text(1) == "<s>");
    CHECK(t.is_special(1));
    CHECK_FALSE(t.is_special(3));
    CHECK(t.find("<s>") == token{1});
    CHECK_FALSE(t.find("no such token"));
    REQUIRE(t.single_token(" shoe"));
    CHECK(t.text(*t.single_token(" shoe")) == "Ġshoe");
    CHECK_FALSE(t.single_token(" shoe shoe"));
    CHECK_FALSE(t.single_token(""));
    CHECK(t.require_token(" shoe") == *t.single_token(" shoe"));
    CHECK_THROWS_AS(t.require_token(" shoe shoe"), engraft::bad_input);
    CHECK_THROWS_WITH(t.require_token(" shoe shoe"), ContainsSubstring("the text ' shoe shoe' must be one token, but "
                                                                       "becomes 2: 'Ġshoe', 'Ġshoe'; choose"));
    CHECK_THROWS_WITH(t.require_token(""), ContainsSubstring("the text '' must be one token, but becomes 0; "));
    CHECK(t.contains(754));
    CHECK_FALSE(t.contains(755));
    CHECK_FALSE(t.contains(-1));
    CHECK_THROWS_WITH(t.text(755), ContainsSubstring("no token 755"));
    CHECK_THROWS_AS(t.decode(std::vector<token>{1, -1}), engraft::bad_input);

    auto const holes = from(tiny(""));
    CHECK(holes.size() == 8);
    CHECK_FALSE(holes.contains(5));
    CHECK(holes.encode("cab") == std::vector<token>{7, 2});
    CHECK(holes.decode(std::vector<token>{7, 2}) == "c ab"); // no decoder: joined by spaces, as Hugging Face does
}

TEST_CASE("texts that can't be tokenized are refused", "[io][tokenizer]") {
    auto const t = tokenizer::load(pair_folder);
    for (std::string const text :
         {"ok \xFF", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80", "\xE2\x82"}) {
        CHECK_THROWS_AS(t.encode(text), engraft::bad_input);
        CHECK_THROWS_WITH(t.encode(text), ContainsSubstring("UTF-8 at byte " + std::to_string(text[0] == 'o' ? 3 : 0)));
    }
    CHECK_THROWS_WITH(from(tiny("")).encode("abx"), ContainsSubstring("no token for the character 'x'"));
}

TEST_CASE("decoded text is valid UTF-8", "[io][tokenizer]") {
    auto const t = tokenizer::load(pair_folder);
    auto const smile = t.encode("😀", false);
    REQUIRE(smile.size() == 4);
    CHECK(t.decode(smile) == "😀");
    CHECK(t.decode(std::span(smile).first(3)) == "\uFFFD");
    CHECK(t.decode(std::span(smile).last(1)) == "\uFFFD");
}

TEST_CASE("the longest word merges in good time", "[io][tokenizer]") {
    auto const t = tokenizer::load(data + "llama2.json");
    std::string text;
    for (int i = 0; i < 40000; ++i)
        text += "the box ";
    auto const tokens = t.encode(text, false);
    CHECK(tokens.size() > 80000);
    CHECK(t.decode(tokens) == text);
    auto const g = tokenizer::load(data + "gpt2.json");
    CHECK(g.decode(g.encode(std::string(200000, ' ') + "x")) == std::string(200000, ' ') + "x");
    CHECK(g.decode(g.encode(std::string(200000, 'a'))) == std::string(200000, 'a'));
}

TEST_CASE("one tokenizer serves many threads, and copies of it too", "[io][tokenizer]") {
    auto const t = tokenizer::load(data + "llama3.json");
    std::string const text = "It's 12345 boxes, naïve café 😀 in Box A.\n\n  Where?";
    auto const expected = t.encode(text);
    std::vector<std::vector<token>> got(4);
    {
        std::vector<std::thread> threads;
        for (auto& out : got)
            threads.emplace_back([&out, &text, copy = t] {
                for (int i = 0; i < 50; ++i)
                    out = copy.encode(text);
            });
        for (auto& thread : threads)
            thread.join();
    }
    for (auto const& out : got)
        CHECK(out == expected);
}

TEST_CASE("what a tokenizer file must not say is refused by name", "[io][tokenizer]") {
    struct refused {
        std::string json, why;
    };
    auto const model = [](std::string const& fields) { return "{\"model\": {" + fields + "}}"; };
    std::vector<refused> const cases{
        {"[]", "must be a JSON object"},
        {"{}", "'model' is missing"},
        {model(R"("type": "Unigram", "vocab": [])"), "model: unsupported: the type 'Unigram'"},
        {model(R"("type": "WordPiece", "vocab": {})"), "WordPiece"},
        {model(R"("vocab": {})"), "the type ''"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1)"), "dropout"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>")"),
         "end_of_word_suffix"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": [], "continuing_subword_prefix": "##")"),
         "continuing_subword_prefix"},
        {model(R"("type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": [])"), "number 0 is given to two tokens"},
        {model(R"("type": "BPE", "vocab": {"a": 0, "a": 1}, "merges": [])"), "'a' stands twice"},
        {model(R"("type": "BPE", "vocab": {"a": -1}, "merges": [])"), "'a' must be a whole number"},
        {model(R"("type": "BPE", "vocab": {"a": 2147483648}, "merges": [])"), "'a' must be a whole number"},
        {model(R"("type": "BPE", "vocab": {"a": "0"}, "merges": [])"), "'a' must be a whole number"},
        {model(R"("type": "BPE", "vocab": ["a"], "merges": [])"), "'vocab' must be an object"},
        {model(R"("type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"])"), "merge 0 needs a token"},
        {model(R"("type": "BPE", "vocab": {"a": 0, "ab": 1}, "merges": [["a", "b"]])"), "merge 0 needs a token"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": ["aa"])"), "merges[0]: must be two tokens"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": ["a a a"])"), "merges[0]: must be two tokens"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": [["a"]])"), "merges[0]: must be two tokens"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": [7])"), "merges[0]: 'merge' must be an array"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "<unk>")"),
         "unknown token is not in the vocabulary"},
        {tiny(R"("added_tokens": [{"id": 0, "content": "<s>"}])"), "'<s>' has the number 0, which disagrees"},
        {tiny(R"("added_tokens": [{"id": 1, "content": "a"}])"), "'a' has the number 1, which disagrees"},
        {tiny(R"("added_tokens": [{"id": 9, "content": "x"}, {"id": 9, "content": "y"}])"), "9 is given to two tokens"},
        {tiny(R"("added_tokens": [{"id": 9, "content": "x"}, {"id": 10, "content": "x"}])"), "second number"},
        {tiny(R"("added_tokens": [{"id": 9, "content": ""}])"), "added_tokens[0]: an added token must not be empty"},
        {tiny(R"("normalizer": {"type": "NFKC"})"), "normalizer: unsupported: the type 'NFKC'"},
        {tiny(R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]})"),
         "normalizer[1]: unsupported: the type 'Lowercase'"},
        {tiny(R"("normalizer": {"type": "Replace", "pattern": {"Regex": " "}, "content": ""})"),
         "a pattern other than"},
        {tiny(R"("pre_tokenizer": {"type": "Whitespace"})"), "pre_tokenizer: unsupported: the type 'Whitespace'"},
        {tiny(R"j("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"})j"),
         "pattern: the regular expression is wrong"},
        {tiny(R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\bx"}, "behavior": "Isolated"})"), "\\b"},
        {tiny(R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[a&&b]"}, "behavior": "Isolated"})"),
         "intersections"},
        {tiny(R"j("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?m:.)"}, "behavior": "Isolated"})j"),
         "(?m"},
        {tiny(R"("pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated"})"),
         "empty text"},
        {tiny(R"("pre_tokenizer": {"type": "Split", "pattern": {"String": "x"}, "behavior": "Sideways"})"),
         "the behavior 'Sideways'"},
        {tiny(R"("post_processor": {"type": "BertProcessing"})"),
         "post_processor: unsupported: the type 'BertProcessing'"},
        {tiny(R"("post_processor": {"type": "TemplateProcessing", "single": [], "special_tokens": {}})"),
         "exactly once"},
        {tiny(R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}],
                  "special_tokens": {}})"),
         "'<s>' is missing"},
        {tiny(R"("post_processor": {"type": "TemplateProcessing",
                  "single": [{"SpecialToken": {"id": "s"}}, {"Sequence": {}}],
                  "special_tokens": {"s": {"ids": [5]}}})"),
         "no token 5"},
        {tiny(R"("decoder": {"type": "WordPiece"})"), "decoder: unsupported: the type 'WordPiece'"},
        {tiny(R"("decoder": {"type": "Metaspace", "replacement": "__"})"), "'replacement' must be one character"},
        {tiny(R"("byte_pairs": true)"), "'byte_pairs' is true, but no such key is read here"},
        {model(R"("type": "BPE", "vocab": {"a": 0}, "merges": [], "lowercase": true)"),
         "model: 'lowercase' is true, but no such key is read here; known are 'type', 'dropout'"},
        {tiny(R"("normalizer": {"type": "NFC", "strip_accents": true})"), "normalizer: 'strip_accents' is true"},
        {tiny(R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC", "x": 1}]})"),
         "normalizer[0]: 'x' is 1"},
        {tiny(R"("pre_tokenizer": {"type": "Digits", "individual": true})"), "pre_tokenizer: 'individual' is true"},
        {tiny(R"("decoder": {"type": "ByteLevel", "cleanup": true})"), "decoder: 'cleanup' is true"},
        {tiny(R"("added_tokens": [{"id": 9, "content": "x", "strip": true}])"), "added_tokens[0]: 'strip' is true"},
    };
    for (auto const& c : cases) {
        INFO(c.json);
        CHECK_THROWS_AS(from(c.json), engraft::bad_file);
        CHECK_THROWS_WITH(from(c.json), ContainsSubstring(c.why) && ContainsSubstring("a tokenizer: "));
    }
}

TEST_CASE("a hostile expression ends in an error, not in a hang", "[io][tokenizer]") {
    auto const t = from(tiny(
        R"j("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$x|(a|a?)+y"}, "behavior": "Isolated"})j"));
    CHECK_THROWS_AS(t.encode(std::string(60, 'a') + "b"), engraft::bad_input);
}

TEST_CASE("a file can't make a long text of a short one", "[io][tokenizer]") {
    auto const steps = [](std::string const& key, std::string const& list) {
        std::string const much(300, 'a');
        std::string const grow = R"({"type": "Replace", "pattern": {"String": "a"}, "content": ")" + much + "\"}";
        return from(tiny("\"" + key + R"(": {"type": "Sequence", ")" + list + "\": [" + grow + ", " + grow + "]}"));
    };
    CHECK_THROWS_WITH(steps("normalizer", "normalizers").encode("a"), ContainsSubstring("more than 65600 bytes"));
    auto const decoded = steps("decoder", "decoders");
    CHECK_THROWS_WITH(decoded.decode(decoded.encode("a")), ContainsSubstring("more than 84736 bytes")); // of 300
    std::string many;
    for (int i = 0; i < 40; ++i)
        many += std::string(i ? "," : "") + R"({"type": "ByteLevel", "add_prefix_space": true, "use_regex": false})";
    CHECK_THROWS_WITH(
        from(tiny(R"("pre_tokenizer": {"type": "Sequence", "pretokenizers": [)" + many + "]}")).encode("ab"),
        ContainsSubstring("more than 65664 bytes"));
}

TEST_CASE("messages show no control characters", "[io][tokenizer]") {
    CHECK_THROWS_WITH(from(tiny("")).encode("ab\n\x1B[2J"), ContainsSubstring("the character '?' of 'ab??[2J'"));
    auto const split = [](std::string const& expression) {
        from(tiny(R"j("pre_tokenizer": {"type": "Split", "pattern": {"Regex": ")j" + expression +
                  R"j("}, "behavior": "Isolated"})j"));
    };
    CHECK_THROWS_WITH(split("(?\\u001b)"), ContainsSubstring("(??"));
}

TEST_CASE("texts are cut up by patterns", "[io][tokenizer]") {
    using engraft::split_behavior;
    using engraft::text_pattern;
    using pieces = std::vector<std::string_view>;
    auto const dash = text_pattern::literal("-", "p");
    CHECK(dash.split("a-b", split_behavior::removed) == pieces{"a", "b"});
    CHECK(dash.split("a-b", split_behavior::isolated) == pieces{"a", "-", "b"});
    CHECK(dash.split("a-b", split_behavior::merged_with_previous) == pieces{"a-", "b"});
    CHECK(dash.split("a-b", split_behavior::merged_with_next) == pieces{"a", "-b"});
    CHECK(dash.split("a--b", split_behavior::isolated) == pieces{"a", "-", "-", "b"});
    CHECK(dash.split("a--b", split_behavior::contiguous) == pieces{"a", "--", "b"});
    CHECK(dash.split("a--b", split_behavior::merged_with_previous) == pieces{"a-", "-", "b"});
    CHECK(dash.split("a--b", split_behavior::removed, true) == pieces{"-", "-"});
    CHECK(dash.split("", split_behavior::isolated).empty());

    // What these mean to Oniguruma: U+180E is not white space, marks and connectors are parts of words.
    auto const cut = [](std::string const& expression, std::string_view text) {
        return text_pattern::regex(expression, "p").split(text, split_behavior::isolated);
    };
    CHECK(cut(R"(\S+)", "!\u180e!\u00a0x") == pieces{"!\u180e!", "\u00a0", "x"});
    CHECK(cut(R"([^\s]+)", "!\u180e!\u00a0x") == pieces{"!\u180e!", "\u00a0", "x"});
    CHECK(cut(R"(\s)", "a\u0085\u2003b") == pieces{"a", "\u0085", "\u2003", "b"});
    CHECK(cut(R"(\w+)", "e\u0301\u203f9\u00bd\u2153") == pieces{"e\u0301\u203f9\u00bd", "\u2153"});
    CHECK(cut(R"([\w-]+)", "a-e\u0301 b") == pieces{"a-e\u0301", " ", "b"});
    CHECK(cut(R"(\W+)", "a,. b") == pieces{"a", ",. ", "b"});
    CHECK(cut("^x|y$", "x\nxy\nyx") == pieces{"x", "\n", "x", "y", "\nyx"}); // at every line
    CHECK(cut("x*", "axxb") == pieces{"a", "xx", "b"});
    CHECK(cut("x*", "éab") == pieces{"é", "a", "b"}); // empty matches cut too
    CHECK(text_pattern::regex("b+", "p").occurs("abc"));
    CHECK_FALSE(text_pattern::regex("b+", "p").occurs("ac"));
}

TEST_CASE("normalization form C", "[io][tokenizer]") {
    CHECK(engraft::nfc("plain ASCII and é") == "plain ASCII and é");
    CHECK(engraft::nfc("e\u0301") == "é");
    CHECK(engraft::nfc("a\u0315\u0300\u05ae\u0300\u0062") == "à\u05ae\u0300\u0315b"); // order first, then composition
    CHECK(engraft::nfc("\u1e9b\u0323") == "\u1e9b\u0323");
    CHECK(engraft::nfc("\u212b\uf900") == "Å\u8c48");                      // characters that stand for others
    CHECK(engraft::nfc("\u0344\u0958") == "\u0308\u0301\u0915\u093c");     // excluded from composition
    CHECK(engraft::nfc("\u1112\u1161\u11ab\u1100\u1173\u11af") == "한글"); // Hangul from its parts
    CHECK(engraft::nfc("\uac00\u11a8\uac01\u11a8") == "각\uac01\u11a8");
    CHECK(engraft::nfc("\u0301a") == "\u0301a");
}

TEST_CASE("damaged tokenizers", "[io][attack]") {
    std::string const text = "The box's  123 naïve \u0301 中 😀\n\n <s>x</s> [MASK] keep ▁";
    auto const use = [&](std::string const& file) {
        auto const t = tokenizer::load(file);
        t.decode(t.encode(text), true);
    };
    // The parts before the vocabulary are short, and most of what can go wrong is in them.
    for (auto const* name : {"gpt2", "llama3", "qwen2", "splits", "llama2", "llama1", "metaspace"}) {
        INFO(name);
        auto const file = data + name + ".json";
        CHECK(engraft_test::attack(file, 2500, 150, 4, use) > 50);
        CHECK(engraft_test::attack(file, 20000, 60, 5, use) > 10);
    }
}
