#pragma once

// What is done with tensors and tokenizers that a loader let pass.

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <engraft/io/checkpoint.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/io/utf8.hpp>

#include "target.hpp"

namespace engraft_fuzz {

inline void read_all(engraft::checkpoint const& from) {
    for (auto const& name : from.names()) {
        accepted([&] { from.read<double>(name); });
        accepted([&] { from.read<std::int64_t>(name); });
        accepted([&] { // through a small buffer, the last part shorter
            std::size_t const size = from.size(name);
            std::vector<float> part(7);
            for (std::size_t first = 0; first < size; first += part.size())
                if (first < 7 * 20 || first + 7 * 20 > size)
                    from.read(name, first, std::span(part).first(std::min(part.size(), size - first)));
        });
        for (std::size_t const first : {from.size(name), std::numeric_limits<std::size_t>::max()})
            require(!accepted([&] {
                float one;
                from.read(name, first, std::span(&one, 1));
            }),
                    "an element behind the last was read");
    }
}

inline void use_tokenizer(engraft::tokenizer const& words) {
    require(words.size() > 0, "a tokenizer without tokens");
    // Texts of letters that small vocabularies have, special tokens written out, all kinds of spaces, and what is no
    // ASCII: composed and not, of three and four bytes.
    for (std::string_view const text :
         {"", "the apple is in Box A, 12 boxes.", "  abcab\n\t<s>abc</s> <|endoftext|>",
          "na\xC3\xAFve e\xCC\x81 \xE2\x96\x81\xE3\x80\x80\xF0\x9F\x8D\x8E", "aaaaaaaaaaaaaaaaa"})
        accepted([&] {
            auto const tokens = words.encode(text);
            for (auto const id : tokens)
                require(words.contains(id), "a text became a token that there is not");
            require(engraft::is_utf8(words.decode(tokens)), "a decoded text is no UTF-8");
            words.decode(tokens, true);
            auto const found = words.encode_with_offsets(text);
            require(found.tokens == tokens && found.bytes.size() == tokens.size(), "offsets are of other tokens");
            for (auto const& r : found.bytes)
                require(r.begin <= r.end && r.end <= text.size(), "an offset is outside the text");
        });
    for (engraft::token id = 0; id < 64; ++id)
        if (words.contains(id))
            require(words.find(words.text(id)).has_value(), "a token's text is not found");
        else
            require(!accepted([&] { words.text(id); }), "a token that there is not has a text");
    accepted([&] { words.single_token(" apple"); });
}

} // namespace engraft_fuzz
