#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/bpe.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/tokenizer_config.ipp>
#include <engraft/io/text_pattern.hpp>
#include <engraft/io/tokenizer_json.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

namespace detail {

/// Reads the steps out of tokenizer.json.
class tokenizer_reader {
public:
    explicit tokenizer_reader(std::string const& path) : path_(path) {}

    tokenizer_steps::parts read(nlohmann::json const& document) {
        if (!document.is_object())
            throw bad_file(path_, "a tokenizer must be a JSON object");
        require_rest_off(document,
                         {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                          "post_processor", "decoder", "model"},
                         path_);
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
        require_rest_off(model,
                         {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                          "byte_fallback", "ignore_merges", "vocab", "merges"},
                         where);
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
            require_rest_off(item, {"id", "content", "special", "single_word", "lstrip", "rstrip", "normalized"},
                             where);
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

    /// The kind of a step. Of a kind that is read, no key may be on that its tokenizers do not have. Offsets are not
    /// kept, and the old `str_rep` says the replacement again.
    static std::string const& type_of(json const& step, std::string const& where) {
        auto const& type = require_string(step, "type", where);
        auto const has = [&](std::initializer_list<std::string_view> keys) { require_rest_off(step, keys, where); };
        if (type == "Sequence")
            has({"type", "normalizers", "pretokenizers", "processors", "decoders"});
        else if (type == "ByteLevel")
            has({"type", "add_prefix_space", "trim_offsets", "use_regex"});
        else if (type == "Metaspace")
            has({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
        else if (type == "Split")
            has({"type", "pattern", "behavior", "invert"});
        else if (type == "Digits")
            has({"type", "individual_digits"});
        else if (type == "Prepend")
            has({"type", "prepend"});
        else if (type == "Replace")
            has({"type", "pattern", "content"});
        else if (type == "Strip")
            has({"type", "content", "start", "stop"});
        else if (type == "TemplateProcessing")
            has({"type", "single", "pair", "special_tokens"});
        else if (type == "NFC" || type == "Fuse" || type == "ByteFallback")
            has({"type"});
        return type;
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
        auto const& type = type_of(step, where);
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
        auto const& type = type_of(step, where);
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
        auto const& type = type_of(step, where);
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
        auto const& type = type_of(step, where);
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

ENGRAFT_BODY tokenizer_steps::parts read_tokenizer_json(std::string_view text, std::string const& path) {
    return detail::tokenizer_reader(path).read(parse_json(text, path));
}

ENGRAFT_BODY tokenizer_steps::parts read_tokenizer_folder(std::filesystem::path const& folder) {
    mapped_file const file(folder / "tokenizer.json");
    auto document = parse_json(file.text(), file.path());
    if (is_there(folder / "tokenizer_config.json") && document.is_object())
        detail::tokenizer_config(folder, document, file.text().find("\"ByteLevel\"") != std::string_view::npos).apply();
    return detail::tokenizer_reader(file.path()).read(document);
}

} // namespace engraft
