#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/byte_range.hpp>

namespace engraft {

namespace tokenizer_steps {
struct parts;
} // namespace tokenizer_steps

/// Tokens of a text, and the bytes of the text that each stands for.
struct encoding {
    std::vector<token> tokens;
    std::vector<byte_range> bytes; ///< of each token
};

/// Texts to tokens and back, as Hugging Face's tokenizer.json of BPE kind says: byte-level (GPT-2, Llama 3, Qwen,
/// SmolLM) and SentencePiece-like with byte fallback (Llama 1 and 2, Gemma). Whatever in the file is not supported is
/// refused by name when it is loaded. It never changes: copies share it, and many threads may use one.
///
///     auto const tokens = tokenizer::load(folder);
///     auto const ids = tokens.encode("The apple is in Box A");   // begins with <s> where the file says so
///     tokens.require_token(" apple");                            // its number; an error if it is not one token
class tokenizer {
public:
    /// `path` is a folder, its tokenizer.json, or a GGUF file. If the folder has a tokenizer_config.json, the tokens
    /// are those of transformers 5.24 (docs/reference/tokenizers.md); a tokenizer file of another name is read alone.
    /// throws bad_file when a file is missing, malformed or of a kind that is not read, and when tokenizer_config.json
    ///        asks for what is not read or contradicts tokenizer.json
    static tokenizer load(std::filesystem::path const& path);

    /// From parts read elsewhere (io/tokenizer_parts.hpp); `path` begins messages.
    /// throws bad_file when they disagree with each other
    tokenizer(tokenizer_steps::parts parts, std::string const& path);

    /// Tokens of a text; with `special`, the special tokens that the file puts around every text are there too. Special
    /// tokens written out in the text are found in either case.
    /// throws bad_input when the text is not valid UTF-8, has a character for which there is no token, or is too long
    ///        (256 MiB); when the tokenizer's steps make more than 64 times its bytes and 64 KiB of it
    std::vector<token> encode(std::string_view utf8, bool special = true) const;

    /// The same tokens, and the bytes of the text that each stands for, with the space before a word if that is a part
    /// of the token. No bytes: special tokens that are put around the text, and a token that is only what a step of the
    /// tokenizer puts in front. Tokens that share a character which the tokenizer's normalizers change have all of its
    /// bytes.
    /// throws as `encode`
    encoding encode_with_offsets(std::string_view utf8, bool special = true) const;

    /// The text of tokens, valid UTF-8: bytes that make no character become U+FFFD. As in tokenizers 0.23, an added
    /// token that is looked for in the normalized text is written as the normalizers leave it; if they change a special
    /// token, `skip_special` keeps it.
    /// throws bad_input when there is no such token, or when the tokenizer's steps make more than 64 times their bytes
    ///        and 64 KiB of them
    std::string decode(std::span<token const> tokens, bool skip_special = false) const;

    /// The token that a text alone becomes, without special tokens around it; nothing when it becomes none or several.
    std::optional<token> single_token(std::string_view utf8) const;
    /// The same, for a text that has to be one token.
    /// throws bad_input, with the tokens that the text becomes, unless it is one
    token require_token(std::string_view utf8) const;
    bool is_single_token(std::string_view utf8) const { return single_token(utf8).has_value(); }

    /// One more than the largest token: the least vocabulary that a model of this tokenizer has.
    std::size_t size() const;

    bool contains(token id) const;

    /// How the vocabulary writes a token: "Ġapple" or "▁apple" for " apple".
    /// throws bad_input when there is no such token
    std::string const& text(token id) const;

    /// The token that the vocabulary writes so.
    std::optional<token> find(std::string_view written) const;

    bool is_special(token id) const;

private:
    void encode(std::string_view utf8, bool special, std::vector<token>& tokens, std::vector<byte_range>* bytes) const;

    struct state; ///< known to the source alone, which spares programs its parts

    std::shared_ptr<state const> state_;
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/tokenizer.ipp>
#endif
