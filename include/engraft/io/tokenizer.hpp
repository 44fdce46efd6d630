#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/bpe.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/normalization.hpp>
#include <engraft/io/text_pattern.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

/// What a tokenizer is made of, in the order in which a text meets it. A reader of another file format fills this in.
namespace tokenizer_steps {

struct compose_characters {}; ///< normalization form C
struct prepend {
    std::string text;
};
struct replace {
    std::string from, to;
};
using normalizer = std::variant<compose_characters, prepend, replace>;

/// Bytes become the visible characters that stand for them in byte-level vocabularies.
struct byte_level {
    bool prefix_space = false; ///< a space before each piece that has none
    std::optional<text_pattern> words;
};
struct split_at {
    text_pattern where;
    split_behavior behavior = split_behavior::isolated;
    bool invert = false;
};
/// SentencePiece's visible space, as a step of its own.
struct metaspace {
    enum class prepending { always, first, never };
    std::string replacement;
    prepending prepend = prepending::always;
    std::optional<text_pattern> words; ///< the replacement, where the text is cut before each
};
using pre_tokenizer = std::variant<byte_level, split_at, metaspace>;

struct decode_byte_level {};
struct decode_byte_fallback {}; ///< <0x41> becomes the byte 41
struct fuse {};
struct strip {
    std::string character;
    std::size_t start = 0, stop = 0;
};
struct decode_metaspace {
    std::string replacement;
    bool drop_first = true; ///< the first token's were not in the text
};
using decoder = std::variant<decode_byte_level, decode_byte_fallback, fuse, strip, decode_metaspace, replace>;

/// A token that is found in the text before anything else is done to it.
struct added_token {
    std::string text;
    token id = 0;
    bool special = false;     ///< not part of the language: left out of a decoded text if so wished
    bool single_word = false; ///< only where no word character stands beside it
    bool strip_left = false;  ///< takes the white space before it along
    bool strip_right = false;
    bool normalized = false; ///< looked for in the normalized text
};

struct parts {
    std::vector<added_token> added;
    std::vector<normalizer> normalizers;
    std::vector<pre_tokenizer> pre_tokenizers;
    bpe model;
    std::vector<token> before, after; ///< special tokens around each text
    std::vector<decoder> decoders;
    bool has_decoder = false; ///< without one, tokens are joined by spaces
};

} // namespace tokenizer_steps

namespace detail {

/// The character that stands for each byte in a byte-level vocabulary: visible ones of Latin-1 for themselves, the
/// others in order from U+0100.
inline constexpr std::array<char32_t, 256> byte_characters = [] {
    std::array<char32_t, 256> table{};
    char32_t next = 0x100;
    for (unsigned b = 0; b < 256; ++b) {
        bool const visible = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        table[b] = visible ? b : next++;
    }
    return table;
}();

inline constexpr std::array<std::int16_t, 0x144> character_bytes = [] {
    std::array<std::int16_t, 0x144> table{};
    for (auto& b : table)
        b = -1;
    for (unsigned b = 0; b < 256; ++b)
        table[byte_characters[b]] = static_cast<std::int16_t>(b);
    return table;
}();

/// Steps in a row can multiply a text; no honest file makes a long one of a short one.
inline constexpr std::size_t largest_text = std::size_t{1} << 28;

inline void require_reasonable(std::string_view text) {
    if (text.size() > largest_text)
        throw bad_input({"a text of more than ", largest_text, " bytes is not tokenized"});
}

inline std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
    std::string out;
    for (std::size_t at = 0;;) {
        auto const found = text.find(from, at);
        out += text.substr(at, found - at);
        if (found == text.npos)
            return out;
        out += to;
        require_reasonable(out);
        at = found + from.size();
    }
}

/// Reads the steps out of tokenizer.json.
class tokenizer_reader {
public:
    explicit tokenizer_reader(std::string const& path) : path_(path) {}

    tokenizer_steps::parts read(nlohmann::json const& document) {
        if (!document.is_object())
            throw bad_file(path_, "a tokenizer must be a JSON object");
        read_model(require_value(document, "model", path_));
        if (auto const* added = find_value(document, "added_tokens", path_))
            read_added(*added);
        if (auto const* step = find_value(document, "normalizer", path_))
            read_normalizer(*step);
        if (auto const* step = find_value(document, "pre_tokenizer", path_))
            read_pre_tokenizer(*step);
        if (auto const* step = find_value(document, "post_processor", path_))
            read_post_processor(*step);
        if (auto const* step = find_value(document, "decoder", path_)) {
            parts_.has_decoder = true;
            read_decoder(*step);
        }
        // `truncation` and `padding` say how a program batches texts, not how a text is tokenized.
        return std::move(parts_);
    }

private:
    using json = nlohmann::json;

    [[noreturn]] static void refuse(std::string const& where, std::string const& what) {
        throw bad_file(where, {"unsupported: ", what});
    }

    static token as_token(json const& value, std::string_view name, std::string const& where) {
        return static_cast<token>(as_int(value, name, where, 0, std::numeric_limits<token>::max() - 1));
    }

    void read_model(json const& model) {
        std::string const where = path_ + ": model";
        // Files from before 2020 leave the type out; what has merges is byte-pair encoding.
        if (auto const type = string_or(model, "type", where, find_value(model, "merges", where) ? "BPE" : "");
            type != "BPE")
            refuse(where, "the type '" + printable(type) + "'; only BPE is read");
        if (number_or(model, "dropout", where, 0) != 0)
            refuse(where, "dropout of merges");
        for (auto const* key : {"continuing_subword_prefix", "end_of_word_suffix"})
            if (!string_or(model, key, where, "").empty())
                refuse(where, std::string(key));

        bpe_options options;
        options.byte_fallback = bool_or(model, "byte_fallback", where, false);
        options.ignore_merges = bool_or(model, "ignore_merges", where, false);
        options.fuse_unknown = bool_or(model, "fuse_unk", where, false);
        if (find_value(model, "unk_token", where))
            options.unknown = require_string(model, "unk_token", where);

        vocabulary tokens;
        for (auto const& [text, id] : require_object(model, "vocab", where))
            tokens.add(text, as_token(id, text, where + ".vocab"), where + ".vocab");

        std::vector<std::pair<std::string, std::string>> merges;
        for (auto const& merge : require_array(model, "merges", where)) {
            std::string const here = where + ".merges[" + std::to_string(merges.size()) + "]";
            if (merge.is_string()) {
                auto const& text = merge.get_ref<std::string const&>();
                if (text.starts_with("#version"))
                    continue;
                auto const space = text.find(' ');
                if (space == text.npos || text.find(' ', space + 1) != text.npos)
                    throw bad_file(here,
                                   {"must be two tokens with a space between them, but is '", printable(text), "'"});
                merges.emplace_back(text.substr(0, space), text.substr(space + 1));
            } else {
                auto const& pair = as_array(merge, "merge", here);
                if (pair.size() != 2)
                    throw bad_file(here, {"must be two tokens, but is ", shown(merge)});
                merges.emplace_back(as_string(pair[0], "merge", here), as_string(pair[1], "merge", here));
            }
        }
        parts_.model = bpe(std::move(tokens), merges, options, where);
    }

    void read_added(json const& list) {
        for (auto const& item : as_array(list, "added_tokens", path_)) {
            std::string const where = path_ + ": added_tokens[" + std::to_string(parts_.added.size()) + "]";
            tokenizer_steps::added_token added;
            added.text = require_string(item, "content", where);
            added.id = as_token(require_value(item, "id", where), "id", where);
            added.special = bool_or(item, "special", where, false);
            added.single_word = bool_or(item, "single_word", where, false);
            added.strip_left = bool_or(item, "lstrip", where, false);
            added.strip_right = bool_or(item, "rstrip", where, false);
            added.normalized = bool_or(item, "normalized", where, !added.special);
            if (added.text.empty())
                throw bad_file(where, "an added token must not be empty");
            parts_.added.push_back(std::move(added));
        }
    }

    /// `where` of the n-th step of a sequence.
    static std::string nth(std::string const& where, std::size_t n) { return where + "[" + std::to_string(n) + "]"; }

    template <class Read>
    static void each_of(json const& step, std::string_view key, std::string const& where, Read read) {
        std::size_t n = 0;
        for (auto const& inner : require_array(step, key, where))
            read(inner, nth(where, n++));
    }

    static std::string literal_of(json const& step, std::string const& where) {
        auto const& found = require_value(step, "pattern", where);
        if (!find_value(found, "String", where + ".pattern"))
            refuse(where, "a pattern other than {\"String\": ...} to replace");
        auto const& text = require_string(found, "String", where + ".pattern");
        if (text.empty())
            throw bad_file(where, "the text to replace must not be empty");
        return text;
    }

    static text_pattern pattern_of(json const& step, std::string const& where) {
        std::string const here = where + ".pattern";
        auto const& found = require_value(step, "pattern", where);
        if (find_value(found, "Regex", here))
            return text_pattern::regex(require_string(found, "Regex", here), here);
        return text_pattern::literal(require_string(found, "String", here), here);
    }

    void read_normalizer(json const& step, std::string const& at = "normalizer") {
        std::string const where = path_ + ": " + at;
        auto const& type = require_string(step, "type", where);
        auto& steps = parts_.normalizers;
        if (type == "Sequence")
            each_of(step, "normalizers", at,
                    [&](json const& inner, std::string const& name) { read_normalizer(inner, name); });
        else if (type == "NFC")
            steps.push_back(tokenizer_steps::compose_characters{});
        else if (type == "Prepend")
            steps.push_back(tokenizer_steps::prepend{require_string(step, "prepend", where)});
        else if (type == "Replace")
            steps.push_back(tokenizer_steps::replace{literal_of(step, where), require_string(step, "content", where)});
        else
            refuse(where, "the type '" + printable(type) + "'; read are Sequence, NFC, Prepend and Replace");
    }

    void read_pre_tokenizer(json const& step, std::string const& at = "pre_tokenizer") {
        std::string const where = path_ + ": " + at;
        auto const& type = require_string(step, "type", where);
        auto& steps = parts_.pre_tokenizers;
        if (type == "Sequence") {
            each_of(step, "pretokenizers", at,
                    [&](json const& inner, std::string const& name) { read_pre_tokenizer(inner, name); });
        } else if (type == "ByteLevel") {
            tokenizer_steps::byte_level bytes;
            bytes.prefix_space = bool_or(step, "add_prefix_space", where, true);
            // The expression of GPT-2's tokenizer, which this step implies.
            if (bool_or(step, "use_regex", where, true))
                bytes.words = text_pattern::regex(
                    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", where);
            steps.push_back(std::move(bytes));
        } else if (type == "Split") {
            auto const& name = require_string(step, "behavior", where);
            steps.push_back(tokenizer_steps::split_at{pattern_of(step, where), behavior_named(name, where),
                                                      bool_or(step, "invert", where, false)});
        } else if (type == "Digits") {
            bool const each = bool_or(step, "individual_digits", where, false);
            steps.push_back(tokenizer_steps::split_at{text_pattern::regex("\\p{N}", where),
                                                      each ? split_behavior::isolated : split_behavior::contiguous,
                                                      false});
        } else if (type == "Metaspace") {
            tokenizer_steps::metaspace space;
            space.replacement = replacement_of(step, where);
            space.prepend = prepending_of(step, where);
            if (bool_or(step, "split", where, true))
                space.words = text_pattern::literal(space.replacement, where);
            steps.push_back(std::move(space));
        } else {
            refuse(where,
                   "the type '" + printable(type) + "'; read are Sequence, ByteLevel, Split, Digits and Metaspace");
        }
    }

    static split_behavior behavior_named(std::string const& name, std::string const& where) {
        if (name == "Removed")
            return split_behavior::removed;
        if (name == "Isolated")
            return split_behavior::isolated;
        if (name == "MergedWithPrevious")
            return split_behavior::merged_with_previous;
        if (name == "MergedWithNext")
            return split_behavior::merged_with_next;
        if (name == "Contiguous")
            return split_behavior::contiguous;
        refuse(where, "the behavior '" + printable(name) + "'");
    }

    static std::string replacement_of(json const& step, std::string const& where) {
        auto const& text = require_string(step, "replacement", where);
        if (text.empty() || code_point_at(text, 0).length != text.size())
            throw bad_file(where, {"'replacement' must be one character, but is '", printable(text), "'"});
        return text;
    }

    static tokenizer_steps::metaspace::prepending prepending_of(json const& step, std::string const& where) {
        using prepending = tokenizer_steps::metaspace::prepending;
        // Before there were schemes there was a switch.
        bool const old = bool_or(step, "add_prefix_space", where, true);
        auto const scheme = string_or(step, "prepend_scheme", where, old ? "always" : "never");
        if (scheme == "always")
            return prepending::always;
        if (scheme == "first")
            return prepending::first;
        if (scheme == "never")
            return prepending::never;
        refuse(where, "the prepend_scheme '" + printable(scheme) + "'");
    }

    void read_post_processor(json const& step, std::string const& at = "post_processor") {
        std::string const where = path_ + ": " + at;
        auto const& type = require_string(step, "type", where);
        if (type == "Sequence")
            each_of(step, "processors", at,
                    [&](json const& inner, std::string const& name) { read_post_processor(inner, name); });
        else if (type == "TemplateProcessing")
            read_template(step, where);
        else if (type != "ByteLevel") // which trims offsets and leaves tokens alone
            refuse(where, "the type '" + printable(type) + "'; read are Sequence, TemplateProcessing and ByteLevel");
    }

    void read_template(json const& step, std::string const& where) {
        std::vector<token> before, after;
        std::size_t texts = 0;
        for (auto const& piece : require_array(step, "single", where)) {
            if (find_value(piece, "Sequence", where)) {
                ++texts;
                continue;
            }
            auto const& name = require_string(require_value(piece, "SpecialToken", where), "id", where);
            auto const& special = require_value(require_value(step, "special_tokens", where), name, where);
            for (auto const& id : require_array(special, "ids", where)) {
                auto const number = as_token(id, "ids", where);
                if (!known(number))
                    throw bad_file(where, {"there is no token ", number});
                (texts ? after : before).push_back(number);
            }
        }
        if (texts != 1)
            throw bad_file(where, "a template must hold the text exactly once");
        // An outer template goes around what inner ones made.
        parts_.before.insert(parts_.before.begin(), before.begin(), before.end());
        parts_.after.insert(parts_.after.end(), after.begin(), after.end());
    }

    bool known(token id) const {
        return parts_.model.tokens().text(id) ||
               std::any_of(parts_.added.begin(), parts_.added.end(), [&](auto const& added) { return added.id == id; });
    }

    void read_decoder(json const& step, std::string const& at = "decoder") {
        std::string const where = path_ + ": " + at;
        auto const& type = require_string(step, "type", where);
        auto& steps = parts_.decoders;
        auto const count = [&](std::string_view key) {
            return static_cast<std::size_t>(require_int(step, key, where, 0, 1 << 16));
        };
        if (type == "Sequence")
            each_of(step, "decoders", at,
                    [&](json const& inner, std::string const& name) { read_decoder(inner, name); });
        else if (type == "ByteLevel")
            steps.push_back(tokenizer_steps::decode_byte_level{});
        else if (type == "ByteFallback")
            steps.push_back(tokenizer_steps::decode_byte_fallback{});
        else if (type == "Fuse")
            steps.push_back(tokenizer_steps::fuse{});
        else if (type == "Strip")
            steps.push_back(
                tokenizer_steps::strip{require_string(step, "content", where), count("start"), count("stop")});
        else if (type == "Replace")
            steps.push_back(tokenizer_steps::replace{literal_of(step, where), require_string(step, "content", where)});
        else if (type == "Metaspace")
            steps.push_back(tokenizer_steps::decode_metaspace{replacement_of(step, where),
                                                              prepending_of(step, where) !=
                                                                  tokenizer_steps::metaspace::prepending::never});
        else
            refuse(where, "the type '" + printable(type) +
                              "'; read are Sequence, ByteLevel, ByteFallback, Fuse, Strip, Replace and Metaspace");
    }

    std::string const& path_;
    tokenizer_steps::parts parts_;
};

} // namespace detail

/// Texts to tokens and back, as Hugging Face's tokenizer.json of BPE kind says: byte-level (GPT-2, Llama 3, Qwen,
/// SmolLM) and SentencePiece-like with byte fallback (Llama 1 and 2, Gemma). Whatever in the file is not supported is
/// refused by name when it is loaded. Const members may be called from many threads.
///
///     auto const tokens = tokenizer::load(folder);
///     auto const ids = tokens.encode("The apple is in Box A");   // begins with <s> where the file says so
///     tokens.single_token(" apple");                             // its number, or nothing if it takes more than one
class tokenizer {
public:
    /// `path` is a tokenizer.json or the folder it is in.
    /// throws bad_file when the file is missing, malformed or of a kind that is not read
    static tokenizer load(std::filesystem::path const& path) {
        std::error_code ignored;
        auto const file = std::filesystem::is_directory(path, ignored) ? path / "tokenizer.json" : path;
        auto const where = file.string();
        return tokenizer(detail::tokenizer_reader(where).read(read_json(file)), where);
    }

    /// From parts read elsewhere; `path` begins messages.
    tokenizer(tokenizer_steps::parts parts, std::string const& path)
        : parts_(std::move(parts)),
          word_(text_pattern::regex(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])", path)) {
        for (auto const& entry : parts_.added) {
            auto const known = parts_.model.tokens().find(entry.text);
            auto const* const text = parts_.model.tokens().text(entry.id);
            if (known ? *known != entry.id : text != nullptr)
                throw bad_file(path, {"the added token '", detail::printable(entry.text), "' has the number ", entry.id,
                                      ", which disagrees with the vocabulary"});
            added_texts_.add(entry.text, entry.id, path);
            if (entry.special)
                special_.push_back(entry.id);
        }
        std::sort(special_.begin(), special_.end());
        for (std::size_t i = 0; i < parts_.added.size(); ++i) {
            auto const& entry = parts_.added[i];
            auto& finds = entry.normalized ? normalized_ : verbatim_;
            finds.add(entry.normalized ? normalize(entry.text) : entry.text, i);
        }
        verbatim_.sort();
        normalized_.sort();
    }

    /// Tokens of a text; with `special`, the special tokens that the file puts around every text are there too. Special
    /// tokens written out in the text are found in either case.
    /// throws bad_input when the text is not valid UTF-8, has a character for which there is no token, or is too long
    ///        (256 MiB, after normalization too)
    std::vector<token> encode(std::string_view utf8, bool special = true) const {
        detail::require_reasonable(utf8);
        require_utf8(utf8);
        std::vector<token> out;
        if (special)
            out = parts_.before;
        for (auto const& outer : verbatim_.cut(utf8, *this)) {
            if (outer.found) {
                out.push_back(outer.found->id);
                continue;
            }
            bool const first = outer.text.data() == utf8.data();
            auto const normal = normalize(outer.text);
            for (auto const& part : normalized_.cut(normal, *this)) {
                if (part.found)
                    out.push_back(part.found->id);
                else
                    for (auto const& word : pieces(part.text, first && part.text.data() == normal.data()))
                        parts_.model.encode(word.text, out);
            }
        }
        if (special)
            out.insert(out.end(), parts_.after.begin(), parts_.after.end());
        return out;
    }

    /// The text of tokens, valid UTF-8: bytes that make no character become U+FFFD.
    /// throws bad_input when there is no such token
    std::string decode(std::span<token const> tokens, bool skip_special = false) const {
        std::vector<std::string> texts;
        for (token const id : tokens) {
            auto const& known = text(id);
            if (!(skip_special && is_special(id)))
                texts.push_back(known);
        }
        for (auto const& step : parts_.decoders)
            std::visit([&](auto const& s) { decode_with(s, texts); }, step);
        std::string joined;
        for (std::size_t i = 0; i < texts.size(); ++i)
            joined += (i && !parts_.has_decoder ? " " : "") + texts[i];
        return valid_utf8(joined);
    }

    /// The token that a text alone becomes, without special tokens around it; nothing when it becomes none or several.
    std::optional<token> single_token(std::string_view utf8) const {
        auto const tokens = encode(utf8, false);
        return tokens.size() == 1 ? std::optional(tokens[0]) : std::nullopt;
    }
    bool is_single_token(std::string_view utf8) const { return single_token(utf8).has_value(); }

    /// One more than the largest token: the least vocabulary that a model of this tokenizer has.
    std::size_t size() const { return std::max(parts_.model.tokens().size(), added_texts_.size()); }

    bool contains(token id) const { return find_text(id) != nullptr; }

    /// How the vocabulary writes a token: "Ġapple" or "▁apple" for " apple".
    /// throws bad_input when there is no such token
    std::string const& text(token id) const {
        if (auto const* found = find_text(id))
            return *found;
        throw bad_input({"there is no token ", id, " in this vocabulary of ", size()});
    }

    /// The token that the vocabulary writes so.
    std::optional<token> find(std::string_view written) const {
        auto const found = added_texts_.find(written);
        return found ? found : parts_.model.tokens().find(written);
    }

    bool is_special(token id) const { return std::binary_search(special_.begin(), special_.end(), id); }

private:
    struct piece {
        std::string text;
        bool at_start; ///< of the whole text
    };

    /// A stretch of a text that is an added token, or none.
    struct stretch {
        std::string_view text;
        tokenizer_steps::added_token const* found = nullptr;
    };

    /// Finds added tokens in a text: the leftmost, of those the longest, then on behind it.
    class finder {
    public:
        void add(std::string text, std::size_t index) {
            if (!text.empty())
                entries_.push_back({std::move(text), index});
        }
        void sort() {
            std::sort(entries_.begin(), entries_.end(), [](entry const& a, entry const& b) {
                auto const first_a = static_cast<unsigned char>(a.text[0]),
                           first_b = static_cast<unsigned char>(b.text[0]);
                if (first_a != first_b)
                    return first_a < first_b;
                return a.text.size() != b.text.size() ? a.text.size() > b.text.size() : a.index < b.index;
            });
            begins_.fill(0);
            for (auto const& e : entries_)
                ++begins_[static_cast<unsigned char>(e.text[0]) + 1u];
            for (std::size_t b = 1; b < begins_.size(); ++b)
                begins_[b] += begins_[b - 1];
        }

        std::vector<stretch> cut(std::string_view text, tokenizer const& owner) const {
            std::vector<stretch> out;
            std::size_t done = 0;
            for (std::size_t at = 0; !entries_.empty() && at < text.size();) {
                auto const* const found = longest_at(text, at);
                if (!found) {
                    ++at;
                    continue;
                }
                auto const& candidate = owner.parts_.added[found->index];
                std::size_t begin = at, end = at + found->text.size();
                at = end;
                if (begin < done)
                    continue; // inside white space that the token before took along
                if (candidate.single_word &&
                    (owner.ends_with_word(text.substr(0, begin)) || owner.begins_with_word(text.substr(end))))
                    continue;
                if (candidate.strip_left)
                    begin = std::max(done, space_begin(text, begin));
                if (candidate.strip_right)
                    end = space_end(text, end);
                if (begin > done)
                    out.push_back({text.substr(done, begin - done)});
                out.push_back({text.substr(begin, end - begin), &candidate});
                done = end;
            }
            if (done < text.size())
                out.push_back({text.substr(done)});
            return out;
        }

    private:
        struct entry {
            std::string text;
            std::size_t index;
        };

        entry const* longest_at(std::string_view text, std::size_t at) const {
            auto const first = static_cast<unsigned char>(text[at]);
            for (std::size_t i = begins_[first]; i < begins_[first + 1u]; ++i)
                if (text.substr(at).starts_with(entries_[i].text))
                    return &entries_[i];
            return nullptr;
        }

        static bool is_space(char32_t c) {
            return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
                   (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
                   c == 0x3000;
        }
        static std::size_t space_begin(std::string_view text, std::size_t at) {
            while (at > 0) {
                std::size_t before = at - 1;
                while (before > 0 && (static_cast<unsigned char>(text[before]) & 0xC0) == 0x80)
                    --before;
                if (!is_space(code_point_at(text, before).value))
                    break;
                at = before;
            }
            return at;
        }
        static std::size_t space_end(std::string_view text, std::size_t at) {
            while (at < text.size()) {
                auto const c = code_point_at(text, at);
                if (!is_space(c.value))
                    break;
                at += c.length;
            }
            return at;
        }

        std::vector<entry> entries_;
        std::array<std::size_t, 257> begins_{}; ///< entries of first byte b are begins_[b] .. begins_[b + 1]
    };

    std::string const* find_text(token id) const {
        auto const* found = added_texts_.text(id);
        return found ? found : parts_.model.tokens().text(id);
    }

    bool ends_with_word(std::string_view text) const {
        std::size_t last = text.empty() ? 0 : text.size() - 1;
        while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80)
            --last;
        return word_.occurs(text.substr(last));
    }
    bool begins_with_word(std::string_view text) const {
        return !text.empty() && word_.occurs(text.substr(0, code_point_at(text, 0).length));
    }

    std::string normalize(std::string_view raw) const {
        std::string text(raw);
        for (auto const& step : parts_.normalizers) {
            if (auto const* add = std::get_if<tokenizer_steps::prepend>(&step))
                text = text.empty() ? text : add->text + text;
            else if (auto const* change = std::get_if<tokenizer_steps::replace>(&step))
                text = detail::replaced(text, change->from, change->to);
            else
                text = nfc(text);
        }
        return text;
    }

    /// The words that the model sees.
    std::vector<piece> pieces(std::string_view text, bool at_start) const {
        std::vector<piece> words;
        if (!text.empty())
            words.push_back({std::string(text), at_start});
        for (auto const& step : parts_.pre_tokenizers) {
            std::vector<piece> next;
            for (auto& word : words)
                std::visit([&](auto const& s) { apply(s, std::move(word), next); }, step);
            words = std::move(next);
        }
        return words;
    }

    static void put_split(text_pattern const& where, split_behavior behavior, bool invert, piece const& word,
                          std::vector<piece>& out) {
        for (auto const part : where.split(word.text, behavior, invert))
            out.push_back({std::string(part), word.at_start && part.data() == word.text.data()});
    }

    static void apply(tokenizer_steps::split_at const& step, piece&& word, std::vector<piece>& out) {
        put_split(step.where, step.behavior, step.invert, word, out);
    }
    static void apply(tokenizer_steps::byte_level const& step, piece&& word, std::vector<piece>& out) {
        if (step.prefix_space && !word.text.starts_with(' '))
            word.text.insert(0, " ");
        std::size_t const begin = out.size();
        if (step.words)
            put_split(*step.words, split_behavior::isolated, false, word, out);
        else
            out.push_back(std::move(word));
        for (std::size_t i = begin; i < out.size(); ++i) {
            std::string visible;
            for (char const c : out[i].text)
                append_code_point(visible, detail::byte_characters[static_cast<unsigned char>(c)]);
            detail::require_reasonable(visible);
            out[i].text = std::move(visible);
        }
    }
    static void apply(tokenizer_steps::metaspace const& step, piece&& word, std::vector<piece>& out) {
        using prepending = tokenizer_steps::metaspace::prepending;
        word.text = detail::replaced(word.text, " ", step.replacement);
        if (!word.text.starts_with(step.replacement) &&
            (step.prepend == prepending::always || (step.prepend == prepending::first && word.at_start)))
            word.text.insert(0, step.replacement);
        if (step.words)
            put_split(*step.words, split_behavior::merged_with_next, false, word, out);
        else
            out.push_back(std::move(word));
    }

    static void decode_with(tokenizer_steps::decode_byte_level const&, std::vector<std::string>& texts) {
        std::string joined;
        for (auto const& written : texts) {
            std::string bytes;
            for (std::size_t i = 0; i < written.size();) {
                auto const c = code_point_at(written, i);
                int const byte = c.value < detail::character_bytes.size() ? detail::character_bytes[c.value] : -1;
                if (byte < 0) { // not written in bytes at all, as an added token may be
                    bytes = written;
                    break;
                }
                bytes += static_cast<char>(byte);
                i += c.length;
            }
            joined += bytes;
        }
        texts = {valid_utf8(joined)};
    }
    static void decode_with(tokenizer_steps::decode_byte_fallback const&, std::vector<std::string>& texts) {
        std::vector<std::string> out;
        std::string bytes;
        auto const flush = [&] {
            if (bytes.empty())
                return;
            if (is_utf8(bytes))
                out.push_back(bytes);
            else
                for (std::size_t i = 0; i < bytes.size(); ++i)
                    out.push_back("\xEF\xBF\xBD");
            bytes.clear();
        };
        for (auto& written : texts) {
            if (auto const byte = byte_of(written)) {
                bytes += *byte;
                continue;
            }
            flush();
            out.push_back(std::move(written));
        }
        flush();
        texts = std::move(out);
    }
    static std::optional<char> byte_of(std::string_view written) {
        if (written.size() != 6 || !written.starts_with("<0x") || written[5] != '>')
            return std::nullopt;
        int value = 0;
        for (char const c : written.substr(3, 2)) {
            int const digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                     : -1;
            if (digit < 0)
                return std::nullopt;
            value = value * 16 + digit;
        }
        return static_cast<char>(static_cast<unsigned char>(value));
    }
    static void decode_with(tokenizer_steps::fuse const&, std::vector<std::string>& texts) {
        std::string joined;
        for (auto const& t : texts)
            joined += t;
        texts = {joined};
    }
    static void decode_with(tokenizer_steps::strip const& step, std::vector<std::string>& texts) {
        if (step.character.empty())
            return;
        for (auto& t : texts) {
            for (std::size_t n = 0; n < step.start && t.starts_with(step.character); ++n)
                t.erase(0, step.character.size());
            for (std::size_t n = 0; n < step.stop && t.ends_with(step.character); ++n)
                t.erase(t.size() - step.character.size());
        }
    }
    static void decode_with(tokenizer_steps::replace const& step, std::vector<std::string>& texts) {
        for (auto& t : texts)
            t = detail::replaced(t, step.from, step.to);
    }
    static void decode_with(tokenizer_steps::decode_metaspace const& step, std::vector<std::string>& texts) {
        for (std::size_t i = 0; i < texts.size(); ++i)
            texts[i] = detail::replaced(texts[i], step.replacement, i == 0 && step.drop_first ? "" : " ");
    }

    tokenizer_steps::parts parts_;
    vocabulary added_texts_;
    std::vector<token> special_;
    finder verbatim_, normalized_;
    text_pattern word_; ///< a character of a word, to Unicode
};

} // namespace engraft
