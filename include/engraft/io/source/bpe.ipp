#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/bpe.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

namespace detail {

/// Two neighbours that could be joined.
struct merge_candidate {
    std::uint32_t rank;
    std::size_t at;
    token id;

    /// Order of a heap with the most urgent on top.
    friend bool operator<(merge_candidate const& a, merge_candidate const& b) {
        return std::pair(a.rank, a.at) > std::pair(b.rank, b.at);
    }
};

inline std::uint64_t pair_key(token left, token right) {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
}

} // namespace detail

ENGRAFT_BODY void vocabulary::add(std::string text, token id, std::string const& path) {
    if (!texts_.emplace(id, text).second)
        throw bad_file(path, {"the number ", id, " is given to two tokens"});
    if (!ids_.emplace(std::move(text), id).second)
        throw bad_file(path, {"the token of number ", id, " has a second number"});
    size_ = std::max(size_, static_cast<std::size_t>(id) + 1);
}

ENGRAFT_BODY std::optional<token> vocabulary::find(std::string_view text) const {
    auto const at = ids_.find(text);
    return at == ids_.end() ? std::nullopt : std::optional(at->second);
}

ENGRAFT_BODY std::string const* vocabulary::text(token id) const {
    auto const at = texts_.find(id);
    return at == texts_.end() ? nullptr : &at->second;
}

ENGRAFT_BODY bpe::bpe(vocabulary tokens, std::vector<std::pair<std::string, std::string>> const& merges,
                      bpe_options const& options, std::string const& path)
    : tokens_(std::move(tokens)), options_(options) {
    if (merges.size() > std::numeric_limits<std::uint32_t>::max())
        throw bad_file(path, "too many merges");
    merges_.reserve(merges.size());
    std::uint32_t rank = 0;
    for (auto const& [left, right] : merges) {
        auto const require = [&](std::string const& text) {
            if (auto const id = tokens_.find(text))
                return *id;
            throw bad_file(path, {"merge ", rank, " needs a token that the vocabulary does not have"});
        };
        // The last one counts when a pair stands twice.
        merges_[detail::pair_key(require(left), require(right))] = {rank, require(left + right)};
        ++rank;
    }
    if (options.unknown) {
        unknown_ = tokens_.find(*options.unknown);
        if (!unknown_)
            throw bad_file(path, "the unknown token is not in the vocabulary");
    }
    for (char32_t c = 0; c < direct_limit; ++c) {
        std::string text;
        append_code_point(text, c);
        direct_.push_back(tokens_.find(text).value_or(-1));
    }
    for (int b = 0; b < 256; ++b) {
        constexpr char digits[] = "0123456789ABCDEF";
        bytes_.push_back(tokens_.find(std::string("<0x") + digits[b / 16] + digits[b % 16] + '>').value_or(-1));
    }
}

ENGRAFT_BODY void bpe::encode(std::string_view word, std::vector<token>& out, std::vector<byte_range>* places) const {
    auto const put = [&](token id, byte_range place) {
        out.push_back(id);
        if (places)
            places->push_back(place);
    };
    if (options_.ignore_merges)
        if (auto const whole = tokens_.find(word))
            return put(*whole, {0, word.size()});
    auto symbols = characters(word);
    merge(symbols);
    for (std::size_t i = 0; i < symbols.size(); i = symbols[i].next)
        put(symbols[i].id, symbols[i].place);
}

ENGRAFT_BODY std::vector<bpe::symbol> bpe::characters(std::string_view word) const {
    std::vector<symbol> symbols;
    symbols.reserve(word.size());
    auto const put = [&](token id, byte_range place) {
        symbols.push_back({id, symbols.size() - 1, symbols.size() + 1, place});
    };
    // An unknown character waits for the next known one. Bytes don't end the wait: the reference implementation
    // puts the unknown token behind them, and models were trained on what it does.
    bool waiting = false;
    byte_range unknown_place;
    for (std::size_t i = 0; i < word.size();) {
        auto const c = code_point_at(word, i);
        auto const text = word.substr(i, c.length);
        byte_range const here{i, i + c.length};
        i += c.length;
        token const id = c.value < direct_limit ? direct_[c.value] : tokens_.find(text).value_or(-1);
        if (id >= 0) {
            if (std::exchange(waiting, false))
                put(*unknown_, unknown_place);
            put(id, here);
            continue;
        }
        auto const byte = [&](char b) { return bytes_[static_cast<unsigned char>(b)]; };
        if (options_.byte_fallback && std::all_of(text.begin(), text.end(), [&](char b) { return byte(b) >= 0; })) {
            for (std::size_t b = 0; b < text.size(); ++b)
                put(byte(text[b]), {here.begin + b, here.begin + b + 1});
            continue;
        }
        if (!unknown_)
            throw bad_input({"the vocabulary has no token for the character '",
                             detail::without_controls(std::string(text)), "' of '",
                             detail::without_controls(valid_utf8(word.substr(0, 80))), "'"});
        if (waiting && !options_.fuse_unknown)
            put(*unknown_, unknown_place);
        unknown_place = {waiting && options_.fuse_unknown ? unknown_place.begin : here.begin, here.end};
        waiting = true;
    }
    if (waiting)
        put(*unknown_, unknown_place);
    return symbols;
}

ENGRAFT_BODY void bpe::merge(std::vector<symbol>& symbols) const {
    std::vector<detail::merge_candidate> heap;
    auto const consider = [&](std::size_t left) {
        if (left >= symbols.size() || symbols[left].next >= symbols.size())
            return;
        auto const at = merges_.find(detail::pair_key(symbols[left].id, symbols[symbols[left].next].id));
        if (at == merges_.end())
            return;
        heap.push_back({at->second.rank, left, at->second.id});
    };
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        consider(i);
    std::make_heap(heap.begin(), heap.end());
    while (!heap.empty()) {
        std::pop_heap(heap.begin(), heap.end());
        auto const best = heap.back();
        heap.pop_back();
        auto& left = symbols[best.at];
        if (left.gone || left.next >= symbols.size())
            continue;
        auto& right = symbols[left.next];
        // A neighbour may have been merged away since; what stands here now counts.
        auto const now = merges_.find(detail::pair_key(left.id, right.id));
        if (now == merges_.end() || now->second.id != best.id)
            continue;
        left.id = best.id;
        left.next = right.next;
        left.place.end = right.place.end;
        right.gone = true;
        if (left.next < symbols.size())
            symbols[left.next].previous = best.at;
        for (std::size_t const from : {left.previous, best.at}) {
            auto const before = heap.size();
            consider(from);
            if (heap.size() > before)
                std::push_heap(heap.begin(), heap.end());
        }
    }
}

} // namespace engraft
