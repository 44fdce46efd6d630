#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <engraft/io/checkpoint.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/gguf_model.hpp>
#include <engraft/io/gguf_tokenizer.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/load.hpp>
#include <engraft/io/tokenizer.hpp>

#include "../catch.hpp"
#include "io_attack.hpp"

namespace {

namespace fs = std::filesystem;
using namespace engraft;
using Catch::Matchers::ContainsSubstring;

fs::path const data = fs::path(ENGRAFT_TEST_DATA) / "data";
fs::path const ggufs = data / "gguf";

/// The bytes of a GGUF file, put together by hand.
class bytes {
public:
    template <class Number>
    bytes& number(Number n) {
        text_.append(reinterpret_cast<char const*>(&n), sizeof(n));
        return *this;
    }
    bytes& u32(std::uint32_t n) { return number(n); }
    bytes& u64(std::uint64_t n) { return number(n); }
    bytes& name(std::string const& s) {
        u64(s.size());
        text_ += s;
        return *this;
    }
    bytes& raw(std::string const& s) {
        text_ += s;
        return *this;
    }
    bytes& head(std::uint64_t tensors, std::uint64_t values, std::uint32_t version = 3) {
        return raw("GGUF").u32(version).u64(tensors).u64(values);
    }
    bytes& text_value(std::string const& key, std::string const& value) { return name(key).u32(8).name(value); }
    bytes& u32_value(std::string const& key, std::uint32_t value) { return name(key).u32(4).u32(value); }
    bytes& tensor(std::string const& key, std::vector<std::uint64_t> const& dimensions, std::uint32_t type,
                  std::uint64_t offset) {
        name(key).u32(static_cast<std::uint32_t>(dimensions.size()));
        for (auto n : dimensions)
            u64(n);
        return u32(type).u64(offset);
    }
    bytes& padding(std::size_t alignment = 32) {
        text_.resize((text_.size() + alignment - 1) / alignment * alignment, '\0');
        return *this;
    }

    std::string const& text() const { return text_; }

    /// The opened file; its name is gone at once, what is mapped stays.
    gguf_file file() const {
        static std::string const path =
            (fs::temp_directory_path() / ("engraft-gguf-" + std::to_string(::getpid()) + ".gguf")).string();
        std::ofstream(path, std::ios::binary) << text_;
        gguf_file opened = [&] {
            try {
                return gguf_file(path);
            } catch (...) {
                fs::remove(path);
                throw;
            }
        }();
        fs::remove(path);
        return opened;
    }

private:
    std::string text_;
};

void refuses(bytes const& file, std::string const& why) {
    INFO(why);
    CHECK_THROWS_AS(file.file(), bad_file);
    CHECK_THROWS_WITH(file.file(), ContainsSubstring(why));
}

std::string const zeros(64, '\0');

} // namespace

TEST_CASE("blocks of every type are what the Python package gguf makes of them", "[io][gguf]") {
    auto const [stem, types] =
        GENERATE(Catch::Generators::table<std::string, std::size_t>({{"blocks", 8}, {"more_blocks", 5}}));
    checkpoint const expected(ggufs / (stem + ".safetensors"));
    gguf_file const file(ggufs / (stem + ".gguf"));
    REQUIRE(expected.names().size() == types);
    REQUIRE(file.tensors().size() == types);
    for (auto const& name : expected.names()) {
        INFO(name);
        auto const& stored = file.tensors().at(name);
        CHECK(to_string(stored.dtype) == name);
        CHECK(stored.shape == expected.shape(name));
        auto const theirs = expected.read<float>(name);
        std::vector<float> ours(stored.size());
        read_elements(stored, 0, std::span(ours), name);
        CHECK(std::memcmp(ours.data(), theirs.data(), theirs.size() * sizeof(float)) == 0);
        std::vector<double> doubles(stored.size());
        read_elements(stored, 0, std::span(doubles), name);
        CHECK(doubles == std::vector<double>(theirs.begin(), theirs.end()));
        // Parts that begin and end inside blocks.
        for (std::size_t const first : {0, 1, 31, 33, 255, 300})
            for (std::size_t const count : {1, 2, 40, 257})
                if (first + count <= ours.size()) {
                    std::vector<float> part(count);
                    read_elements(stored, first, std::span(part), name);
                    CHECK(std::equal(part.begin(), part.end(), ours.begin() + static_cast<std::ptrdiff_t>(first)));
                }
        CHECK_THROWS_AS(read_elements(stored, stored.size(), std::span(ours).first(1), name), bad_input);
        std::vector<std::int64_t> whole(1);
        CHECK_THROWS_WITH(read_elements(stored, 0, std::span(whole), name), ContainsSubstring("integers were asked"));
    }
}

TEST_CASE("a GGUF file has the description and the tensors of the Hugging Face folder it was made of", "[io][gguf]") {
    std::string const name =
        GENERATE(as<std::string>{}, "llama", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2", "gpt_neox");
    INFO(name);
    auto const described = read_config(ggufs / name);
    auto const read = read_config(ggufs / (name + ".gguf"));
    CHECK_NOTHROW(require_same(described, read, name));
    CHECK(std::string_view(read.name) == name);
    CHECK(read.norm_eps == described.norm_eps); // 1e-5, not the float next to it

    checkpoint const theirs(ggufs / name), ours(ggufs / (name + ".gguf"));
    std::string const root = name == "gpt2" ? "transformer." : "";
    REQUIRE(theirs.names().size() == ours.names().size());
    for (auto const& tensor : theirs.names()) {
        INFO(tensor);
        auto const here = tensor.starts_with(root) ? tensor.substr(root.size()) : tensor;
        REQUIRE(ours.contains(here));
        CHECK(ours.shape(here) == theirs.shape(tensor));
        auto const whole = ours.read<float>(here);
        CHECK(whole == theirs.read<float>(tensor));
        std::vector<float> part(whole.size() / 2);
        ours.read(here, whole.size() / 3, std::span(part));
        CHECK(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 3)));
    }
}

TEST_CASE("what a GGUF file does not say, the expected description does", "[io][gguf]") {
    gguf_file const file(ggufs / "llama.gguf");
    auto expected = read_config(file);
    CHECK(expected.rope_scaling == rope_scaling::llama3);
    CHECK(expected.rope_factor == 8);
    expected.family = family::mistral;
    expected.window = 4096;
    CHECK_NOTHROW(require_same(expected, read_config(file, &expected), "mistral"));
    // Another rule that gives the same frequencies stands, one that gives others does not.
    expected.rope_original_context = 9000;
    CHECK(read_config(file, &expected).rope_original_context == 8192);
    CHECK_THROWS_WITH(require_same(expected, read_config(file, &expected), "mistral"),
                      ContainsSubstring("rope_original_context is 8192, described as 9000"));
    expected = read_config(file);
    expected.rope_theta = 1;
    CHECK_THROWS_WITH(require_same(expected, read_config(file, &expected), "llama"), ContainsSubstring("rope_theta"));

    gguf_file const gelu(ggufs / "gpt_neox.gguf");
    auto tanh = read_config(gelu);
    CHECK(tanh.mlp == mlp::gelu);
    tanh.mlp = mlp::gelu_tanh;
    CHECK(read_config(gelu, &tanh).mlp == mlp::gelu_tanh);
    tanh.mlp = mlp::gated_silu;
    CHECK(read_config(gelu, &tanh).mlp == mlp::gelu);

    gguf_file const gemma(ggufs / "gemma2.gguf");
    auto scaled = read_config(gemma);
    CHECK(scaled.attention_scalar == 8);
    scaled.attention_scalar = 6;
    CHECK(read_config(gemma, &scaled).attention_scalar == 6);
}

TEST_CASE("tokenizers of GGUF files agree with Hugging Face's on every text", "[io][gguf][tokenizer]") {
    std::string const name = GENERATE(as<std::string>{}, "gpt2", "smollm2", "qwen2", "llama3", "llama2");
    auto const t = tokenizer::load(ggufs / ("tokenizer_" + name + ".gguf"));
    auto const texts = read_json(data / "tokenizer" / "texts.json").get<std::vector<std::string>>();
    auto const rows = read_json(ggufs / ("tokenizer_" + name + ".expected.json"));
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

TEST_CASE("metadata come as what they are", "[io][gguf]") {
    bytes b;
    b.head(0, 7, 2).text_value("t", "text").u32_value("n", 7);
    b.name("f").u32(6).number(1e-5f).name("b").u32(7).raw("\1");
    b.name("a").u32(9).u32(5).u64(2).u32(3).u32(~0u).name("s").u32(9).u32(8).u64(2).name("x").name("yz");
    b.name("large").u32(10).u64(~std::uint64_t{0});
    auto const file = b.file();
    CHECK(file.text("t") == "text");
    CHECK(file.whole("n", 0, 7) == 7);
    CHECK(file.number("f") == 1e-5);
    CHECK(file.flag("b"));
    CHECK(file.numbers("a") == std::vector<double>{3, -1});
    CHECK(file.texts("s") == std::vector<std::string>{"x", "yz"});
    CHECK(file.whole_or("none", 3, 0, 9) == 3);
    CHECK_FALSE(file.contains("none"));
    CHECK_THROWS_WITH(file.whole("n", 0, 6), ContainsSubstring("'n' must be a whole number from 0 to 6, but is 7"));
    CHECK_THROWS_WITH(file.whole("large", 0, 6), ContainsSubstring("'large' must be a whole number"));
    CHECK_THROWS_WITH(file.whole("f", 0, 6), ContainsSubstring("but is 1e-05"));
    CHECK_THROWS_WITH(file.text("none"), ContainsSubstring("'none' is missing"));
    CHECK_THROWS_WITH(file.text("n"), ContainsSubstring("'n' must be a text, but is 7"));
    CHECK_THROWS_WITH(file.number("s"), ContainsSubstring("must be a number, but is an array of 2 (text)"));
    CHECK_THROWS_WITH(file.flag("t"), ContainsSubstring("must be true or false, but is 'text'"));
    CHECK_THROWS_WITH(file.texts("a"), ContainsSubstring("must be an array of texts"));
    CHECK_THROWS_WITH(file.numbers("s"), ContainsSubstring("must be an array of numbers"));
}

TEST_CASE("malformed GGUF files are refused in one sentence", "[io][gguf]") {
    auto const most = ~std::uint64_t{0};
    refuses(bytes().raw("PK\3\4abcd"), "begins with 'GGUF', but this one with 'PK");
    refuses(bytes().raw("GG"), "begins with 'GGUF'");
    refuses(bytes().raw("GGUF"), "the version takes 4 bytes, but the file has only 0 more");
    refuses(bytes().head(0, 0, 1), "has the version 1; read are 2 and 3");
    refuses(bytes().head(0, 0, 4), "has the version 4; read are 2 and 3");
    refuses(bytes().head(0, 0, 0x03000000), "big-endian");
    refuses(bytes().head(most, 0), "the number of tensors is said to be 18446744073709551615");
    refuses(bytes().head(0, most), "the number of metadata is said to be 18446744073709551615");
    refuses(bytes().head(0, 1).u64(most).raw(zeros), "takes 18446744073709551615 bytes, but the file has only");
    refuses(bytes().head(0, 1).u64(0).raw(zeros), "must have 1 to 65535 bytes, but has 0");
    refuses(bytes().head(0, 1).name("\xFF\xFE").raw(zeros), "is not valid UTF-8");
    refuses(bytes().head(0, 1).name("key").u32(13).raw(zeros), "'key' has a value of type 13");
    refuses(bytes().head(0, 1).name("key").u32(7).raw("\2"), "'key' must be true (1) or false (0), but is 2");
    refuses(bytes().head(0, 1).name("key").u32(8).u64(most - 3), "a text of 'key' takes 18446744073709551612 bytes");
    refuses(bytes().head(0, 1).name("key").u32(9).u32(0).u64(most), "the number of elements of 'key' is said to be");
    refuses(bytes().head(0, 1).name("key").u32(9).u32(10).u64(most / 8 + 2), "can't hold so many");
    refuses(bytes().head(0, 1).name("key").u32(9).u32(8).u64(2).name("x").raw("1234567"),
            "a text of 'key' takes 8 bytes, but the file has only 7 more");
    {
        bytes deep;
        deep.head(0, 1).name("key").u32(9);
        for (int i = 0; i < 1000; ++i)
            deep.u32(9).u64(1);
        refuses(deep.u32(0).u64(1).raw("x"), "'key' has arrays in arrays, deeper than 4");
    }
    refuses(bytes().head(0, 2).u32_value("key", 1).u32_value("key", 1), "the key 'key' stands twice");
    refuses(bytes().head(0, 1).u32_value("general.alignment", 12), "must be a power of two and a multiple of 8");
    refuses(bytes().head(0, 1).u32_value("general.alignment", 0), "'general.alignment' must be a whole number from 1");
    refuses(bytes().head(0, 1).text_value("general.alignment", "x"), "'general.alignment' must be a whole number");

    auto const one = [](std::vector<std::uint64_t> const& dimensions, std::uint32_t type, std::uint64_t offset) {
        return bytes().head(1, 0).tensor("w", dimensions, type, offset).padding().raw(zeros);
    };
    CHECK(one({4, 4}, 0, 0).file().tensors().at("w").size() == 16);
    refuses(one({}, 0, 0), "tensor 'w': it must have 1 to 4 dimensions, but has 0");
    refuses(one({1, 1, 1, 1, 1}, 0, 0), "it must have 1 to 4 dimensions, but has 5");
    refuses(one({4, 0}, 0, 0), "its dimension 1 is 0");
    refuses(one({most, 2}, 0, 0), "more elements than can be counted");
    refuses(one({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0), "more elements than can be counted");
    refuses(one({std::uint64_t{1} << 59}, 0, 0), "takes 2305843009213693952 bytes from byte 0");
    refuses(one({16}, 16, 0),
            "unsupported: its type is IQ2_XXS; read are F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, "
            "Q4_K, Q5_K, Q6_K");
    refuses(one({16}, 9, 0), "unsupported: its type is Q8_1");
    refuses(one({16}, 4, 0), "its type 4 is none of GGUF's");
    refuses(one({16, 2}, 2, 0), "its rows of 16 elements are no whole number of blocks of Q4_0, which have 32");
    refuses(one({16}, 0, 8), "begins at byte 8 of the data, which is no multiple of 32");
    refuses(one({16}, 0, 32), "takes 64 bytes from byte 32 of the data on, but the file has only 64; it is truncated");
    refuses(one({16}, 0, most - 31), "but the file has only 64");
    refuses(one({16}, 0, 0).raw(zeros), "64 bytes follow the last tensor");
    refuses(one({1}, 0, 32), "the bytes 0 to 32 of the data belong to no tensor");
    refuses(bytes().head(1, 0).tensor("w", {16}, 0, 0), "the file ends before the bytes of its tensors");
    refuses(bytes().head(2, 0).tensor("w", {16}, 0, 0).tensor("w", {16}, 0, 64).padding().raw(zeros).raw(zeros),
            "tensor 'w': it stands twice");
    refuses(bytes().head(2, 0).tensor("w", {16}, 0, 0).tensor("x", {8}, 0, 32).padding().raw(zeros),
            "tensor 'x' begins at byte 32 of the data, inside another tensor that ends at 64");
}

TEST_CASE("models that are not read are refused by name", "[io][gguf]") {
    struct change {
        std::string key;
        bytes value; ///< with its type
        std::string why;
    };
    // A model of one layer, with one of its values replaced or one more.
    auto const refused = [](change const& c) {
        std::vector<std::pair<std::string, bytes>> values{
            {"general.architecture", bytes().u32(8).name("llama")},
            {"llama.block_count", bytes().u32(4).u32(1)},
            {"llama.embedding_length", bytes().u32(4).u32(8)},
            {"llama.feed_forward_length", bytes().u32(4).u32(8)},
            {"llama.attention.head_count", bytes().u32(4).u32(2)},
            {"llama.attention.layer_norm_rms_epsilon", bytes().u32(6).number(1e-5f)},
        };
        bool found = false;
        for (auto& [name, value] : values)
            if (name == c.key) {
                value = c.value;
                found = true;
            }
        if (!found)
            values.emplace_back(c.key, c.value);
        bytes whole;
        whole.head(1, values.size());
        for (auto const& [name, value] : values)
            whole.name(name).raw(value.text());
        auto const file = whole.tensor("token_embd.weight", {8, 2}, 0, 0).padding().raw(zeros).file();
        INFO(c.why);
        if (c.why.empty())
            CHECK_NOTHROW(read_config(file));
        else
            CHECK_THROWS_WITH(read_config(file), ContainsSubstring(c.why));
    };
    auto const number = [](std::uint32_t n) { return bytes().u32(4).u32(n); };
    auto const text = [](std::string const& s) { return bytes().u32(8).name(s); };
    refused({"other.key", number(1), ""});
    refused({"llama.expert_count", number(0), ""});
    refused({"llama.vocab_size", number(2), ""});
    refused({"llama.rope.scaling.type", text("none"), ""});
    refused({"general.architecture", text("mamba"), "'general.architecture' is 'mamba'; supported: 'llama', 'qwen2'"});
    refused({"general.architecture", number(1), "'general.architecture' must be a text"});
    refused({"llama.block_count", number(0), "'llama.block_count' must be a whole number from 1"});
    refused({"llama.expert_count", number(8), "unsupported: 'llama.expert_count' is 8"});
    refused({"llama.rope.scaling.type", text("yarn"), "unsupported: 'llama.rope.scaling.type' is 'yarn'"});
    refused({"llama.rope.dimension_count", number(2), "unsupported: 'llama.rope.dimension_count' is 2"});
    refused({"llama.attention.value_length", number(2), "unsupported: values of 2 elements beside keys of 4"});
    refused({"llama.attention.head_count", number(3), "'llama.attention.key_length' is missing"});
    refused({"llama.attention.head_count_kv", number(3), "kv_heads must divide heads"});
    refused({"llama.attention.layer_norm_rms_epsilon", bytes().u32(6).number(0.0f), "must be positive"});
    refused({"llama.attention.causal", bytes().u32(7).raw(std::string(1, '\0')), "attention.causal' is false"});
    refused({"llama.vocab_size", number(3), "is 3, but the table of embeddings has 2 rows"});
    refused({"llama.feed_forward_length", bytes().u32(9).u32(4).u64(1).u32(8), "but is an array of 1 (u32)"});
    refused({"split.count", number(2), "one part of a model"});
    refused({"general.type", text("adapter"), "unsupported: 'general.type' is 'adapter'; supported: 'model'"});
    refused({"general.type", text("model"), ""});
}

TEST_CASE("tokenizers that are not read are refused by name", "[io][gguf][tokenizer]") {
    auto const tokenizer_of = [](std::string const& model, std::string const& more, std::uint64_t values) {
        bytes b;
        b.head(0, 2 + values).text_value("tokenizer.ggml.model", model);
        b.name("tokenizer.ggml.tokens").u32(9).u32(8).u64(3).name("a").name("b").name("ab").raw(more);
        auto const file = b.file();
        return tokenizer(read_tokenizer(file), "file");
    };
    auto const pre = [](std::string const& s) { return bytes().text_value("tokenizer.ggml.pre", s).text(); };
    auto const merges = [](std::string const& s) {
        return bytes().name("tokenizer.ggml.merges").u32(9).u32(8).u64(1).name(s).text();
    };
    CHECK(tokenizer_of("gpt2", pre("gpt-2") + merges("a b"), 2).encode("aab") == std::vector<token>{0, 2});
    CHECK_THROWS_WITH(tokenizer_of("bert", "", 0), ContainsSubstring("'tokenizer.ggml.model' is 'bert'; supported"));
    CHECK_THROWS_WITH(tokenizer_of("gpt2", merges("a b"), 1), ContainsSubstring("'tokenizer.ggml.pre' is missing"));
    CHECK_THROWS_WITH(tokenizer_of("gpt2", pre("tekken") + merges("a b"), 2),
                      ContainsSubstring("how texts are split, is 'tekken'; supported: 'gpt-2', 'smollm'"));
    CHECK_THROWS_WITH(tokenizer_of("gpt2", pre("gpt-2"), 1), ContainsSubstring("'tokenizer.ggml.merges' is missing"));
    CHECK_THROWS_WITH(tokenizer_of("gpt2", pre("gpt-2") + merges("ab"), 2),
                      ContainsSubstring("must be two tokens with a space between them, but is 'ab'"));
    CHECK_THROWS_WITH(tokenizer_of("gpt2", pre("gpt-2") + merges("b a"), 2), ContainsSubstring("merge 0 needs"));
    CHECK_THROWS_WITH(tokenizer_of("llama", "", 0), ContainsSubstring("'tokenizer.ggml.scores' is missing"));
    CHECK_THROWS_WITH(tokenizer_of("gpt2", pre("llama-bpe") + merges("a b"), 2),
                      ContainsSubstring("'tokenizer.ggml.bos_token_id' is missing"));
    CHECK_THROWS_WITH(tokenizer_of("gpt2", bytes().u32_value("tokenizer.ggml.token_type", 1).text(), 1),
                      ContainsSubstring("must be an array of numbers"));
}

TEST_CASE("Gemma's tokens of several spaces are joined like any other, as by Hugging Face", "[io][gguf][tokenizer]") {
    std::string const space = "\u2581";
    std::vector<std::string> const texts{"<unk>", "  ", "   ", "    ", space + "a", space, "a"};
    auto const tokens = [&](std::string const& architecture, std::string const& text) {
        bytes b;
        b.head(0, 7).text_value("general.architecture", architecture).text_value("tokenizer.ggml.model", "llama");
        b.name("tokenizer.ggml.tokens").u32(9).u32(8).u64(texts.size());
        for (auto const& t : texts)
            b.name(t);
        b.name("tokenizer.ggml.scores").u32(9).u32(6).u64(texts.size());
        for (float const score : {0.f, -1000.f, -1000.f, -1000.f, -0.f, -1.f, -2.f})
            b.number(score);
        b.name("tokenizer.ggml.token_type").u32(9).u32(5).u64(texts.size());
        for (std::uint32_t const kind : {2, 4, 4, 4, 1, 1, 1})
            b.u32(kind);
        for (std::string const flag : {"add_bos_token", "add_space_prefix"})
            b.name("tokenizer.ggml." + flag).u32(7).raw(std::string(1, '\0'));
        auto const file = b.file();
        return tokenizer(read_tokenizer(file), "file").encode(text);
    };
    CHECK(tokens("gemma3", "a a") == std::vector<token>{6, 4});
    CHECK(tokens("gemma3", "   a") == std::vector<token>{2, 6});
    CHECK(tokens("gemma3", "     a") == std::vector<token>{1, 2, 6}); // 2 + 2 + 1, then 2 + 3
    CHECK(tokens("gemma3", space + " a") == std::vector<token>{1, 6});
    CHECK(tokens("llama", "     a") == std::vector<token>{3, 4}); // found in the text, the longest first
}

TEST_CASE("only GGUF files are taken for such", "[io][gguf]") {
    CHECK(is_gguf(ggufs / "llama.gguf"));
    CHECK_FALSE(is_gguf(ggufs / "llama"));
    CHECK_FALSE(is_gguf(ggufs / "llama" / "model.safetensors"));
    CHECK_FALSE(is_gguf(ggufs / "none.gguf"));
}

TEST_CASE("damaged GGUF files", "[io][gguf][attack]") {
    auto const use = [](std::string const& file) {
        gguf_file const read(file);
        for (auto const& [key, value] : read.metadata())
            read.shown(key);
        if (has_tokenizer(read))
            tokenizer(read_tokenizer(read), file).encode("abcab");
        if (!what_is_wrong(read_config(read)).empty())
            throw std::logic_error("an ill-formed description came out");
        checkpoint const c(file);
        for (auto const& name : c.names())
            c.read<double>(name);
    };
    CHECK_NOTHROW(use((ggufs / "damage.gguf").string()));
    int const refused = engraft_test::attack(ggufs / "damage.gguf", 2600, 3000, 11, use);
    CHECK(refused > 1000);
    CHECK(refused < 3000);
    // The texts and scores of a SentencePiece-like vocabulary.
    auto const words = [](std::string const& file) {
        gguf_file const read(file);
        tokenizer(read_tokenizer(read), file).encode("the box");
    };
    int const wrong = engraft_test::attack(ggufs / "tokenizer_llama2.gguf", 13000, 200, 12, words);
    CHECK(wrong > 50);
    CHECK(wrong < 200);
}
