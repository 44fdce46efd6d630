#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <engraft/io/tokenizer.hpp>
#include <engraft/io/tokenizer_json.hpp>
#include <engraft/io/utf8.hpp>

/// Tokenizers for which chosen words behind a space are one token, and everything else is bytes or characters.
namespace word_tokenizer {

class builder {
public:
    void add(std::string const& text) { vocabulary_.emplace(text, vocabulary_.size()); }

    /// Merges that join a word from its first character on.
    void join(std::vector<std::string> const& characters) {
        auto joined = characters[0];
        add(joined);
        for (std::size_t i = 1; i < characters.size(); ++i) {
            add(characters[i]);
            if (merged_.insert({joined, characters[i]}).second)
                merges_.push_back({joined, characters[i]});
            add(joined += characters[i]);
        }
    }

    /// `start` is how the vocabulary writes a space.
    void join_word(std::string const& start, std::string const& word) {
        std::vector<std::string> characters{start};
        for (char const c : word)
            characters.emplace_back(1, c);
        join(characters);
    }

    engraft::tokenizer made(nlohmann::json document, nlohmann::json model) const {
        model["type"] = "BPE";
        model["vocab"] = vocabulary_;
        model["merges"] = merges_;
        document["model"] = model;
        return {engraft::read_tokenizer_json(document.dump(), "a tokenizer"), "a tokenizer"};
    }

private:
    std::map<std::string, std::size_t> vocabulary_;
    std::vector<std::vector<std::string>> merges_;
    std::set<std::pair<std::string, std::string>> merged_;
};

/// Byte-level, like GPT-2's: no token stands before a text, and words are cut from punctuation.
inline engraft::tokenizer like_gpt2(std::vector<std::string> const& words,
                                    std::vector<std::vector<std::string>> const& more = {}) {
    builder b;
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
        std::string text;
        bool const visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        engraft::append_code_point(text, visible ? byte : next++);
        b.add(text);
    }
    for (auto const& word : words)
        b.join_word("Ġ", word);
    for (auto const& characters : more)
        b.join(characters);
    auto const step = nlohmann::json{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
    return b.made({{"pre_tokenizer", step}, {"decoder", step}}, nlohmann::json::object());
}

/// With byte fallback and a <bos>, like Gemma's; with `prepend`, a space before a text, like Llama 2's.
inline engraft::tokenizer like_gemma(std::vector<std::string> const& words, bool prepend = false) {
    builder b;
    auto added = nlohmann::json::array();
    for (auto const* text : {"<pad>", "<eos>", "<bos>", "<unk>"}) {
        added.push_back({{"id", added.size()}, {"content", text}, {"special", true}});
        b.add(text);
    }
    for (int byte = 0; byte < 256; ++byte) {
        constexpr char digits[] = "0123456789ABCDEF";
        b.add(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">");
    }
    b.add("▁");
    for (char c = '!'; c <= '~'; ++c)
        b.add(std::string(1, c));
    for (auto const& word : words)
        b.join_word("▁", word);
    auto steps = nlohmann::json::array();
    if (prepend)
        steps.push_back({{"type", "Prepend"}, {"prepend", "▁"}});
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}});
    nlohmann::json const before = {{"SpecialToken", {{"id", "<bos>"}, {"type_id", 0}}}},
                         text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
    nlohmann::json const bos = {{"id", "<bos>"}, {"ids", {2}}, {"tokens", {"<bos>"}}};
    nlohmann::json const post = {{"type", "TemplateProcessing"},
                                 {"single", {before, text}},
                                 {"pair", {before, text}},
                                 {"special_tokens", {{"<bos>", bos}}}};
    nlohmann::json const decoder = {{"type", "Sequence"},
                                    {"decoders",
                                     {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                                      {{"type", "ByteFallback"}},
                                      {{"type", "Fuse"}}}}};
    return b.made({{"added_tokens", added},
                   {"normalizer", {{"type", "Sequence"}, {"normalizers", steps}}},
                   {"post_processor", post},
                   {"decoder", decoder}},
                  {{"unk_token", "<unk>"}, {"byte_fallback", true}});
}

} // namespace word_tokenizer
