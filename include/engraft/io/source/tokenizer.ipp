#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/bpe.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/gguf_tokenizer.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/added_tokens.ipp>
#include <engraft/io/source/tokenizer_steps.ipp>
#include <engraft/io/text_pattern.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/io/tokenizer_json.hpp>
#include <engraft/io/tokenizer_parts.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

/// All that a tokenizer knows; it never changes.
struct tokenizer::state {
    tokenizer_steps::parts steps;
    vocabulary added_texts;
    std::unordered_map<token, std::string> normalized_texts; ///< of added tokens that normalizers change
    std::vector<token> special;
    detail::added_token_finder verbatim, normalized;
    text_pattern word; ///< a character of a word, to Unicode

    state(tokenizer_steps::parts parts, std::string const& path)
        : steps(std::move(parts)),
          word(text_pattern::regex(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])", path)) {
        for (auto const& entry : steps.added) {
            auto const known = steps.model.tokens().find(entry.text);
            auto const* const text = steps.model.tokens().text(entry.id);
            if (known ? *known != entry.id : text != nullptr)
                throw bad_file(path, {"the added token '", detail::printable(entry.text), "' has the number ", entry.id,
                                      ", which disagrees with the vocabulary"});
            added_texts.add(entry.text, entry.id, path);
            if (entry.special)
                special.push_back(entry.id);
        }
        std::sort(special.begin(), special.end());
        for (std::size_t i = 0; i < steps.added.size(); ++i) {
            auto const& entry = steps.added[i];
            auto const text = entry.normalized ? detail::normalized(steps.normalizers, entry.text) : entry.text;
            if (text != entry.text)
                normalized_texts.emplace(entry.id, text);
            (entry.normalized ? normalized : verbatim).add(text, i);
        }
        verbatim.sort();
        normalized.sort();
    }

    std::string const* text(token id) const {
        auto const* found = added_texts.text(id);
        return found ? found : steps.model.tokens().text(id);
    }
};

ENGRAFT_BODY tokenizer tokenizer::load(std::filesystem::path const& path) {
    if (is_gguf(path)) {
        gguf_file const file(path);
        return tokenizer(read_tokenizer(file), file.path());
    }
    std::error_code ignored;
    bool const folder = std::filesystem::is_directory(path, ignored);
    if (folder || path.filename() == "tokenizer.json") {
        auto const at = folder ? path : path.parent_path();
        return tokenizer(read_tokenizer_folder(at), (at / "tokenizer.json").string());
    }
    mapped_file const file(path);
    return tokenizer(read_tokenizer_json(file.text(), file.path()), file.path());
}

ENGRAFT_BODY tokenizer::tokenizer(tokenizer_steps::parts parts, std::string const& path)
    : state_(std::make_shared<state const>(std::move(parts), path)) {}

ENGRAFT_BODY std::vector<token> tokenizer::encode(std::string_view utf8, bool special) const {
    std::vector<token> tokens;
    encode(utf8, special, tokens, nullptr);
    return tokens;
}

ENGRAFT_BODY encoding tokenizer::encode_with_offsets(std::string_view utf8, bool special) const {
    encoding made;
    encode(utf8, special, made.tokens, &made.bytes);
    return made;
}

ENGRAFT_BODY void tokenizer::encode(std::string_view utf8, bool special, std::vector<token>& tokens,
                                    std::vector<byte_range>* bytes) const {
    detail::require_reasonable(utf8);
    require_utf8(utf8);
    auto const& steps = state_->steps;
    auto const put = [&](token id, byte_range place) {
        tokens.push_back(id);
        if (bytes)
            bytes->push_back(place);
    };
    std::vector<byte_range> places; // of a word's tokens in the word
    auto const put_word = [&](detail::piece const& word) {
        places.clear();
        steps.model.encode(word.text, tokens, bytes ? &places : nullptr);
        for (auto const& place : places)
            bytes->push_back(detail::together(std::span(word.of).subspan(place.begin, place.end - place.begin)));
    };
    if (special)
        for (auto const id : steps.before)
            put(id, {0, 0});
    for (auto const& outer : state_->verbatim.cut(utf8, steps.added, state_->word)) {
        auto const begin = static_cast<std::size_t>(outer.text.data() - utf8.data());
        if (outer.found) {
            put(outer.found->id, {begin, begin + outer.text.size()});
            continue;
        }
        auto of = bytes ? detail::own_origins(begin, outer.text.size()) : detail::origins();
        auto const normal = detail::normalized(steps.normalizers, outer.text, of);
        for (auto const& part : state_->normalized.cut(normal, steps.added, state_->word)) {
            auto const at = static_cast<std::size_t>(part.text.data() - normal.data());
            auto part_of = detail::some_of(of, at, part.text.size());
            if (part.found)
                put(part.found->id, detail::together(part_of));
            else
                for (auto const& word :
                     detail::words_of(steps.pre_tokenizers, part.text, begin == 0 && at == 0, std::move(part_of)))
                    put_word(word);
        }
    }
    if (special)
        for (auto const id : steps.after)
            put(id, {utf8.size(), utf8.size()});
}

ENGRAFT_BODY std::string tokenizer::decode(std::span<token const> tokens, bool skip_special) const {
    std::vector<std::string> texts;
    for (token const id : tokens) {
        auto const& written = text(id);
        auto const changed = state_->normalized_texts.find(id);
        auto const& known = changed == state_->normalized_texts.end() ? written : changed->second;
        // A special token is known by its text: one that the normalizers change is not left out (tokenizers 0.23).
        auto const added = state_->added_texts.find(known);
        if (!(skip_special && added && is_special(*added)))
            texts.push_back(known);
    }
    return detail::decoded(state_->steps, std::move(texts));
}

ENGRAFT_BODY std::optional<token> tokenizer::single_token(std::string_view utf8) const {
    auto const tokens = encode(utf8, false);
    return tokens.size() == 1 ? std::optional(tokens[0]) : std::nullopt;
}

ENGRAFT_BODY token tokenizer::require_token(std::string_view utf8) const {
    auto const tokens = encode(utf8, false);
    if (tokens.size() == 1)
        return tokens[0];
    auto const shown = [](std::string_view of) { return detail::without_controls(valid_utf8(of.substr(0, 60))); };
    std::string list;
    for (std::size_t i = 0; i < std::min<std::size_t>(tokens.size(), 8); ++i)
        list += (i ? ", '" : ": '") + shown(text(tokens[i])) + "'";
    throw bad_input({"the text '", shown(utf8), "' must be one token, but becomes ", tokens.size(), list,
                     tokens.size() > 8 ? ", ..." : "", "; choose a word that is one token, and check the space before it"});
}

ENGRAFT_BODY std::size_t tokenizer::size() const {
    return std::max(state_->steps.model.tokens().size(), state_->added_texts.size());
}

ENGRAFT_BODY bool tokenizer::contains(token id) const { return state_->text(id) != nullptr; }

ENGRAFT_BODY std::string const& tokenizer::text(token id) const {
    if (auto const* found = state_->text(id))
        return *found;
    throw bad_input({"there is no token ", id, " in this vocabulary of ", size()});
}

ENGRAFT_BODY std::optional<token> tokenizer::find(std::string_view written) const {
    auto const found = state_->added_texts.find(written);
    return found ? found : state_->steps.model.tokens().find(written);
}

ENGRAFT_BODY bool tokenizer::is_special(token id) const {
    return std::binary_search(state_->special.begin(), state_->special.end(), id);
}

} // namespace engraft
