#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <engraft/core/integer.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/core/token.hpp>

namespace engraft {

/// Token sequences of any lengths, to be run together. No example sees another, and none is padded.
class batch {
public:
    /// throws bad_input when there is no sequence or one is empty
    batch(std::vector<std::vector<token>> const& sequences) : rows_(lengths_of(sequences)) {
        for (auto const& s : sequences)
            tokens_.insert(tokens_.end(), s.begin(), s.end());
    }

    /// A batch of one sequence.
    static batch of(std::vector<token> tokens) { return std::vector<std::vector<token>>{std::move(tokens)}; }

    ragged const& rows() const { return rows_; }
    std::size_t examples() const { return rows_.examples(); }
    std::vector<token> const& tokens() const { return tokens_; }
    /// The token at a position of an example; -1 is the last.
    /// throws bad_position when the example does not have it, bad_input when there is no such example
    token at(integer example, integer position) const {
        auto const p = rows_.position(example, position);
        return tokens_[rows_.begin(static_cast<std::size_t>(example.value())) + p];
    }

    /// The tokens of one example. throws bad_input when there is no such example
    std::vector<token> sequence(integer example) const {
        auto const e = example.below(examples(), "example");
        auto const begin = tokens_.begin() + static_cast<std::ptrdiff_t>(rows_.begin(e));
        return {begin, begin + static_cast<std::ptrdiff_t>(rows_.length(e))};
    }
    /// A batch of up to `count` examples, starting with example `first`. throws bad_input if there are none
    batch part(integer first, integer count) const {
        std::vector<std::vector<token>> sequences;
        for (auto e = first.below(examples(), "example");
             e < examples() && static_cast<long long>(sequences.size()) < count.value(); ++e)
            sequences.push_back(sequence(e));
        return sequences;
    }

    friend bool operator==(batch const&, batch const&) = default;

    /// throws bad_input when a token is not in a vocabulary of this size
    void require_tokens_below(int vocab) const {
        for (std::size_t e = 0; e < examples(); ++e)
            for (std::size_t p = 0; p < rows_.length(e); ++p)
                if (at(e, p) < 0 || at(e, p) >= vocab)
                    throw bad_input({"token ", at(e, p), " at position ", p, " of example ", e,
                                     " is not in the model's vocabulary of ", vocab,
                                     "; was the prompt encoded with another tokenizer?"});
    }

private:
    static std::vector<std::size_t> lengths_of(std::vector<std::vector<token>> const& sequences) {
        std::vector<std::size_t> lengths;
        for (auto const& s : sequences)
            lengths.push_back(s.size());
        return lengths;
    }

    ragged rows_;
    std::vector<token> tokens_;
};

} // namespace engraft
