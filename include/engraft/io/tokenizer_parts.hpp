#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <engraft/core/token.hpp>
#include <engraft/io/bpe.hpp>
#include <engraft/io/text_pattern.hpp>

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

} // namespace engraft
