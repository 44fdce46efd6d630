#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <engraft/io/tokenizer.hpp>

namespace paper {

/// What prompts are made with: a model's tokenizer, or, where there is none, one that takes each word and each mark for
/// a token behind one that begins the prompt. Llama's does so with the prompts of the boxes task.
class words {
public:
    words() = default;
    explicit words(std::shared_ptr<engraft::tokenizer const> t) : tokenizer_(std::move(t)) {}

    std::vector<engraft::token> encode(std::string const& text) const;
    std::optional<engraft::token> single_token(std::string const& text) const;

private:
    engraft::token number(std::string const& word) const;

    std::shared_ptr<engraft::tokenizer const> tokenizer_;
    mutable std::map<std::string, engraft::token> numbers_; ///< that were given to words so far
};

} // namespace paper
