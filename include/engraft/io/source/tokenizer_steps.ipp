#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/io/source/origins.ipp>
#include <engraft/io/text_pattern.hpp>
#include <engraft/io/tokenizer_parts.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

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

inline constexpr std::size_t largest_text = std::size_t{1} << 28;

inline void require_reasonable(std::string_view text) {
    if (text.size() > largest_text)
        throw bad_input({"a text of more than ", largest_text, " bytes is not tokenized"});
}

/// Steps in a row can multiply a text; no honest file makes a long one of a short one. Composing characters or writing
/// bytes as visible ones makes at most three bytes of one.
inline std::size_t most_made_of(std::size_t bytes) { return std::min(largest_text, 65536 + 64 * bytes); }

inline void require_at_most(std::size_t most, std::size_t bytes) {
    if (bytes > most)
        throw bad_input({"the tokenizer's steps make more than ", most, " bytes of a text, which is not read"});
}

/// `of` becomes that of the new text. What is put in comes from what it replaces.
inline std::string replaced(std::string_view text, std::string_view from, std::string_view to, std::size_t most,
                            origins& of) {
    std::string out;
    origins now;
    for (std::size_t at = 0;;) {
        auto const found = text.find(from, at);
        auto const kept = text.substr(at, found - at);
        out += kept;
        auto const here = some_of(of, at, kept.size());
        now.insert(now.end(), here.begin(), here.end());
        if (found == text.npos)
            break;
        out += to;
        require_at_most(most, out.size());
        if (!of.empty())
            now.insert(now.end(), to.size(), together(std::span(of).subspan(found, from.size())));
        at = found + from.size();
    }
    of = std::move(now);
    return out;
}

inline std::string replaced(std::string_view text, std::string_view from, std::string_view to, std::size_t most) {
    origins nobody_asks;
    return replaced(text, from, to, most, nobody_asks);
}

/// A text after all normalizers; `of` is that of the raw text, and becomes that of the result.
inline std::string normalized(std::vector<tokenizer_steps::normalizer> const& steps, std::string_view raw,
                              origins& of) {
    std::string text(raw);
    auto const most = most_made_of(raw.size());
    for (auto const& step : steps) {
        if (auto const* add = std::get_if<tokenizer_steps::prepend>(&step)) {
            if (!text.empty()) {
                text.insert(0, add->text);
                put_in_front(of, add->text.size());
            }
        } else if (auto const* change = std::get_if<tokenizer_steps::replace>(&step)) {
            text = replaced(text, change->from, change->to, most, of);
        } else {
            text = composed_characters(text, of);
        }
        require_at_most(most, text.size());
    }
    return text;
}

inline std::string normalized(std::vector<tokenizer_steps::normalizer> const& steps, std::string_view raw) {
    origins nobody_asks;
    return normalized(steps, raw, nobody_asks);
}

struct piece {
    std::string text;
    bool at_start; ///< of the whole text
    origins of{};
};

inline void put_split(text_pattern const& where, split_behavior behavior, bool invert, piece const& word,
                      std::vector<piece>& out) {
    for (auto const part : where.split(word.text, behavior, invert))
        out.push_back({std::string(part), word.at_start && part.data() == word.text.data(),
                       some_of(word.of, static_cast<std::size_t>(part.data() - word.text.data()), part.size())});
}

inline void apply(tokenizer_steps::split_at const& step, piece&& word, std::vector<piece>& out) {
    put_split(step.where, step.behavior, step.invert, word, out);
}

inline void apply(tokenizer_steps::byte_level const& step, piece&& word, std::vector<piece>& out) {
    if (step.prefix_space && !word.text.starts_with(' ')) {
        word.text.insert(0, " ");
        put_in_front(word.of, 1);
    }
    std::size_t const begin = out.size();
    if (step.words)
        put_split(*step.words, split_behavior::isolated, false, word, out);
    else
        out.push_back(std::move(word));
    for (std::size_t i = begin; i < out.size(); ++i) {
        std::string visible;
        origins of;
        for (std::size_t b = 0; b < out[i].text.size(); ++b) {
            append_code_point(visible, byte_characters[static_cast<unsigned char>(out[i].text[b])]);
            if (!out[i].of.empty())
                of.resize(visible.size(), out[i].of[b]);
        }
        out[i].text = std::move(visible);
        out[i].of = std::move(of);
    }
}

inline void apply(tokenizer_steps::metaspace const& step, piece&& word, std::vector<piece>& out) {
    using prepending = tokenizer_steps::metaspace::prepending;
    word.text = replaced(word.text, " ", step.replacement, largest_text, word.of);
    if (!word.text.starts_with(step.replacement) &&
        (step.prepend == prepending::always || (step.prepend == prepending::first && word.at_start))) {
        word.text.insert(0, step.replacement);
        put_in_front(word.of, step.replacement.size());
    }
    if (step.words)
        put_split(*step.words, split_behavior::merged_with_next, false, word, out);
    else
        out.push_back(std::move(word));
}

inline std::optional<char> byte_of(std::string_view written) {
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

/// The words that the model sees of a normalized text whose bytes come from `of`.
inline std::vector<piece> words_of(std::vector<tokenizer_steps::pre_tokenizer> const& steps, std::string_view text,
                                   bool at_start, origins of) {
    std::vector<piece> words;
    if (!text.empty())
        words.push_back({std::string(text), at_start, std::move(of)});
    auto const most = most_made_of(text.size());
    for (auto const& step : steps) {
        std::vector<piece> next;
        for (auto& word : words)
            std::visit([&](auto const& s) { apply(s, std::move(word), next); }, step);
        words = std::move(next);
        std::size_t bytes = 0;
        for (auto const& word : words)
            bytes += word.text.size();
        require_at_most(most, bytes);
    }
    return words;
}

inline void decode_with(tokenizer_steps::decode_byte_level const&, std::vector<std::string>& texts) {
    std::string joined;
    for (auto const& written : texts) {
        std::string bytes;
        for (std::size_t i = 0; i < written.size();) {
            auto const c = code_point_at(written, i);
            int const byte = c.value < character_bytes.size() ? character_bytes[c.value] : -1;
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

inline void decode_with(tokenizer_steps::decode_byte_fallback const&, std::vector<std::string>& texts) {
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

inline void decode_with(tokenizer_steps::fuse const&, std::vector<std::string>& texts) {
    std::string joined;
    for (auto const& t : texts)
        joined += t;
    texts = {joined};
}

inline void decode_with(tokenizer_steps::strip const& step, std::vector<std::string>& texts) {
    if (step.character.empty())
        return;
    for (auto& t : texts) {
        std::string_view left = t;
        for (std::size_t n = 0; n < step.start && left.starts_with(step.character); ++n)
            left.remove_prefix(step.character.size());
        for (std::size_t n = 0; n < step.stop && left.ends_with(step.character); ++n)
            left.remove_suffix(step.character.size());
        t = std::string(left);
    }
}

inline void decode_with(tokenizer_steps::replace const& step, std::vector<std::string>& texts) {
    std::size_t before = 0, after = 0;
    for (auto const& t : texts)
        before += t.size();
    for (auto& t : texts) {
        t = replaced(t, step.from, step.to, most_made_of(before));
        require_at_most(most_made_of(before), after += t.size());
    }
}

inline void decode_with(tokenizer_steps::decode_metaspace const& step, std::vector<std::string>& texts) {
    for (std::size_t i = 0; i < texts.size(); ++i)
        texts[i] = replaced(texts[i], step.replacement, i == 0 && step.drop_first ? "" : " ", largest_text);
}

/// The texts of tokens joined to one, by a decoder's steps.
inline std::string decoded(tokenizer_steps::parts const& parts, std::vector<std::string> texts) {
    auto const bytes = [&] {
        std::size_t sum = 0;
        for (auto const& t : texts)
            sum += t.size();
        return sum;
    };
    auto const most = most_made_of(bytes());
    for (auto const& step : parts.decoders) {
        std::visit([&](auto const& s) { decode_with(s, texts); }, step);
        require_at_most(most, bytes());
    }
    std::string joined;
    for (std::size_t i = 0; i < texts.size(); ++i)
        joined += (i && !parts.has_decoder ? " " : "") + texts[i];
    return valid_utf8(joined);
}

} // namespace detail

} // namespace engraft
