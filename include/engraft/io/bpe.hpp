#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/byte_range.hpp>

namespace engraft {

/// Texts of tokens and their numbers, one to one. Numbers may have holes.
class vocabulary {
public:
    /// throws bad_file when the text or the number is there already
    void add(std::string text, token id, std::string const& path);

    std::optional<token> find(std::string_view text) const;

    /// The text, or nullptr where there is no such token.
    std::string const* text(token id) const;

    /// One more than the largest number.
    std::size_t size() const { return size_; }

private:
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };

    std::unordered_map<std::string, token, hash, std::equal_to<>> ids_;
    std::unordered_map<token, std::string> texts_;
    std::size_t size_ = 0;
};

struct bpe_options {
    bool byte_fallback = false; ///< a character without a token becomes the tokens <0x00> to <0xFF> of its bytes
    bool ignore_merges = false; ///< a word that is a token is that token, whether or not merges lead to it
    std::optional<std::string> unknown{}; ///< the token of characters that have none
    bool fuse_unknown = false;            ///< neighbouring unknown characters are one token
};

/// Byte-pair encoding of a word: its characters are joined pair by pair, always the pair of the lowest rank, the
/// leftmost among equals, until no pair of neighbours has a rank.
/// source  Sennrich et al. 2016, "Neural machine translation of rare words with subword units"
class bpe {
public:
    bpe() = default;

    /// `merges` are pairs of token texts, the most urgent first; both parts and their concatenation must be tokens.
    /// throws bad_file, beginning with `path`
    bpe(vocabulary tokens, std::vector<std::pair<std::string, std::string>> const& merges, bpe_options const& options,
        std::string const& path);

    vocabulary const& tokens() const { return tokens_; }

    /// Appends the tokens of a word of valid UTF-8; and to `places` the bytes of the word that each stands for.
    /// throws bad_input when a character has no token and nothing stands in for it
    void encode(std::string_view word, std::vector<token>& out, std::vector<byte_range>* places = nullptr) const;

private:
    static constexpr char32_t direct_limit = 0x400; // holds the stand-ins of byte-level vocabularies

    struct symbol {
        token id;
        std::size_t previous, next; ///< the first one's previous and the last one's next are out of range
        byte_range place;
        bool gone = false;
    };
    struct merged {
        std::uint32_t rank;
        token id;
    };

    std::vector<symbol> characters(std::string_view word) const;
    void merge(std::vector<symbol>& symbols) const;

    vocabulary tokens_;
    bpe_options options_;
    std::unordered_map<std::uint64_t, merged> merges_;
    std::optional<token> unknown_;
    std::vector<token> direct_; ///< of each code point below `direct_limit`, or -1
    std::vector<token> bytes_;  ///< <0x00> to <0xFF>, or -1
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/bpe.ipp>
#endif
