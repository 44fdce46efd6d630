#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/bpe.hpp>
#include <engraft/io/gguf_tokenizer.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/text_pattern.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

namespace detail {

/// How a byte-level tokenizer of a name in `tokenizer.ggml.pre` splits texts: what its model's tokenizer.json has.
struct gguf_split {
    std::string_view name;
    std::string_view expression; ///< of one piece
    bool digits = false;         ///< each is a piece of its own, before the expression is looked at
    bool compose = false;        ///< normalization form C first
    bool ignore_merges = false;
    bool begin = false; ///< the beginning-of-text token stands before each text
};

inline constexpr std::string_view gpt2_words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view llama3_words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view qwen2_words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

inline constexpr gguf_split gguf_splits[] = {
    {.name = "gpt-2", .expression = gpt2_words},
    {.name = "smollm", .expression = gpt2_words, .digits = true},
    {.name = "llama-bpe", .expression = llama3_words, .ignore_merges = true, .begin = true},
    {.name = "llama-v3", .expression = llama3_words, .ignore_merges = true, .begin = true},
    {.name = "llama3", .expression = llama3_words, .ignore_merges = true, .begin = true},
    {.name = "qwen2", .expression = qwen2_words, .compose = true},
    {.name = "deepseek-r1-qwen", .expression = qwen2_words, .compose = true},
    {.name = "olmo", .expression = gpt2_words, .compose = true}, // GPT-NeoX's
};

class gguf_tokenizer_reader {
public:
    explicit gguf_tokenizer_reader(gguf_file const& file) : file_(file), path_(file.path()) {}

    tokenizer_steps::parts read() {
        texts_ = file_.texts(key("tokens"));
        if (texts_.empty() || texts_.size() > static_cast<std::size_t>(std::numeric_limits<token>::max()))
            throw bad_file(path_, {"'tokenizer.ggml.tokens' has ", texts_.size(), " tokens"});
        read_kinds();
        auto const model = file_.text(key("model"));
        if (model == "gpt2")
            read_byte_level();
        else if (model == "llama")
            read_sentencepiece();
        else
            throw bad_file(path_, {"unsupported: 'tokenizer.ggml.model' is '", printable(model),
                                   "'; supported: 'gpt2' (byte-level BPE), 'llama' (SentencePiece BPE)"});
        for (std::size_t i = 0; i < texts_.size(); ++i)
            if (is(i, kind::control) || is(i, kind::unknown) || is(i, kind::user_defined))
                parts_.added.push_back(
                    {.text = texts_[i], .id = static_cast<token>(i), .special = !is(i, kind::user_defined)});
        return std::move(parts_);
    }

private:
    enum class kind { normal = 1, unknown, control, user_defined, unused, byte };

    static std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

    bool is(std::size_t id, kind k_) const { return kinds_[id] == static_cast<double>(k_); }

    void read_kinds() {
        kinds_.assign(texts_.size(), static_cast<double>(kind::normal));
        if (!file_.contains(key("token_type")))
            return;
        kinds_ = file_.numbers(key("token_type"));
        if (kinds_.size() != texts_.size())
            throw bad_file(
                path_, {"'tokenizer.ggml.token_type' has ", kinds_.size(), " entries for ", texts_.size(), " tokens"});
    }

    std::optional<token> special(std::string_view name) const {
        auto const whole = key(name);
        if (!file_.contains(whole))
            return std::nullopt;
        return static_cast<token>(file_.whole(whole, 0, static_cast<std::int64_t>(texts_.size()) - 1));
    }

    void surround(bool begin_by_default) {
        auto const put = [&](std::string_view flag, bool otherwise, std::string_view name, std::vector<token>& to) {
            if (!file_.flag_or(key(flag), otherwise))
                return;
            auto const id = special(name);
            if (!id)
                throw bad_file(path_,
                               {"each text has a '", name, "' around it, but 'tokenizer.ggml.", name, "' is missing"});
            to.push_back(*id);
        };
        put("add_bos_token", begin_by_default, "bos_token_id", parts_.before);
        put("add_eos_token", false, "eos_token_id", parts_.after);
    }

    vocabulary words() const {
        vocabulary all;
        for (std::size_t i = 0; i < texts_.size(); ++i)
            all.add(texts_[i], static_cast<token>(i), path_ + ": tokenizer.ggml.tokens");
        return all;
    }

    gguf_split const& split() const {
        auto const name = file_.text(key("pre"));
        std::string known;
        for (auto const& s : gguf_splits) {
            if (s.name == name)
                return s;
            known += (known.empty() ? "'" : ", '") + std::string(s.name) + "'";
        }
        throw bad_file(path_, {"unsupported: 'tokenizer.ggml.pre', how texts are split, is '", printable(name),
                               "'; supported: ", known});
    }

    void read_byte_level() {
        auto const& how = split();
        std::vector<std::pair<std::string, std::string>> merges;
        for (auto const& text : file_.texts(key("merges"))) {
            auto const space = text.find(' ');
            if (space == text.npos || text.find(' ', space + 1) != text.npos)
                throw bad_file(path_,
                               {"'tokenizer.ggml.merges'[", merges.size(),
                                "] must be two tokens with a space between them, but is '", printable(text), "'"});
            merges.emplace_back(text.substr(0, space), text.substr(space + 1));
        }
        parts_.model = bpe(words(), merges, {.ignore_merges = how.ignore_merges}, path_ + ": tokenizer.ggml.merges");
        if (how.compose)
            parts_.normalizers.push_back(tokenizer_steps::compose_characters{});
        if (how.digits)
            parts_.pre_tokenizers.push_back(tokenizer_steps::split_at{text_pattern::regex(R"(\p{N})", path_)});
        parts_.pre_tokenizers.push_back(tokenizer_steps::split_at{text_pattern::regex(how.expression, path_)});
        parts_.pre_tokenizers.push_back(tokenizer_steps::byte_level{});
        parts_.decoders.push_back(tokenizer_steps::decode_byte_level{});
        parts_.has_decoder = true;
        surround(how.begin);
    }

    /// Which pair of neighbours is joined first: that of the token with the highest of these.
    std::vector<double> ranks_of_pieces() const {
        if (is_gemma()) { // tokens of spaces have no scores of their own; all others stand in the order of theirs
            std::vector<double> ranks(texts_.size());
            for (std::size_t i = 0; i < ranks.size(); ++i)
                ranks[i] = -static_cast<double>(i);
            return ranks;
        }
        auto ranks = file_.numbers(key("scores"));
        if (ranks.size() != texts_.size())
            throw bad_file(path_,
                           {"'tokenizer.ggml.scores' has ", ranks.size(), " entries for ", texts_.size(), " tokens"});
        return ranks;
    }

    /// Two neighbours are joined where they make a token, the one of the highest rank first. As byte-pair encoding:
    /// every way to cut a token into two is a merge, ordered by the token's rank and then by those of its parts.
    std::vector<std::pair<std::string, std::string>> merges_of_pieces(vocabulary const& all) const {
        auto const ranks = ranks_of_pieces();
        struct cut {
            double whole, left, right;
            std::size_t id, at;
        };
        std::vector<cut> cuts;
        for (std::size_t i = 0; i < texts_.size(); ++i) {
            std::string_view const text = texts_[i];
            if (!(is(i, kind::normal) || is(i, kind::user_defined)))
                continue;
            if (text.size() > longest_piece)
                throw bad_file(path_, {"token ", i, " has ", text.size(), " bytes; ", longest_piece, " is the most"});
            for (std::size_t at = 0; at < text.size();) {
                at += code_point_at(text, at).length;
                auto const left = all.find(text.substr(0, at)), right = all.find(text.substr(at));
                if (left && right)
                    cuts.push_back({ranks[i], ranks[static_cast<std::size_t>(*left)],
                                    ranks[static_cast<std::size_t>(*right)], i, at});
            }
        }
        for (auto const& c : cuts)
            if (!(c.whole == c.whole && c.left == c.left && c.right == c.right))
                throw bad_file(path_, "'tokenizer.ggml.scores' has entries that are no numbers");
        std::stable_sort(cuts.begin(), cuts.end(), [](cut const& a, cut const& b) {
            if (a.whole != b.whole)
                return a.whole > b.whole;
            if (a.id != b.id)
                return a.id < b.id;
            return a.left != b.left ? a.left > b.left : a.right > b.right;
        });
        std::vector<std::pair<std::string, std::string>> merges;
        for (auto const& c : cuts)
            merges.emplace_back(texts_[c.id].substr(0, c.at), texts_[c.id].substr(c.at));
        return merges;
    }

    bool is_gemma() const { return file_.text_or("general.architecture", "").starts_with("gemma"); }

    /// Conversions of Gemma write its tokens of several spaces with plain spaces, to be found in the text before all
    /// else. Hugging Face's tokenizer has them with visible ones, and joins neighbours to them as to any other token.
    void make_spaces_visible() {
        for (std::size_t i = 0; i < texts_.size(); ++i) {
            auto const count = texts_[i].size();
            if (!is(i, kind::user_defined) || texts_[i] != std::string(count, ' '))
                continue;
            kinds_[i] = static_cast<double>(kind::normal);
            texts_[i].clear();
            for (std::size_t n = 0; n < count; ++n)
                texts_[i] += visible_space;
        }
    }

    void read_sentencepiece() {
        std::string const space(visible_space);
        if (is_gemma())
            make_spaces_visible();
        auto all = words();
        auto const merges = merges_of_pieces(all);
        bpe_options options{.byte_fallback = true, .fuse_unknown = true};
        if (auto const unknown = special("unknown_token_id"))
            options.unknown = texts_[static_cast<std::size_t>(*unknown)];
        parts_.model = bpe(std::move(all), merges, options, path_ + ": tokenizer.ggml.tokens");
        bool const prefix = file_.flag_or(key("add_space_prefix"), true);
        if (prefix)
            parts_.normalizers.push_back(tokenizer_steps::prepend{space});
        parts_.normalizers.push_back(tokenizer_steps::replace{" ", space});
        parts_.decoders.push_back(tokenizer_steps::replace{space, " "});
        parts_.decoders.push_back(tokenizer_steps::decode_byte_fallback{});
        parts_.decoders.push_back(tokenizer_steps::fuse{});
        if (prefix)
            parts_.decoders.push_back(tokenizer_steps::strip{" ", 1, 0});
        parts_.has_decoder = true;
        surround(true);
    }

    static constexpr std::string_view visible_space = "\xE2\x96\x81"; // U+2581, SentencePiece's
    static constexpr std::size_t longest_piece = 512; // SentencePiece makes none of more than 64 characters or so

    gguf_file const& file_;
    std::string const& path_;
    std::vector<std::string> texts_;
    std::vector<double> kinds_;
    tokenizer_steps::parts parts_;
};

} // namespace detail

ENGRAFT_BODY bool has_tokenizer(gguf_file const& file) {
    auto const model = file.text_or("tokenizer.ggml.model", "none");
    return model != "none" && model != "no_vocab";
}

ENGRAFT_BODY tokenizer_steps::parts read_tokenizer(gguf_file const& file) {
    return detail::gguf_tokenizer_reader(file).read();
}

} // namespace engraft
