#include "words.hpp"

namespace paper {

std::vector<engraft::token> words::encode(std::string const& text) const {
    if (tokenizer_)
        return tokenizer_->encode(text);
    std::vector<engraft::token> tokens{0};
    std::string word;
    for (char const c : text + " ")
        if (c == ' ' || c == ',' || c == '.') {
            if (!word.empty())
                tokens.push_back(number(word));
            word.clear();
            if (c != ' ')
                tokens.push_back(number({c}));
        } else {
            word += c;
        }
    return tokens;
}

std::optional<engraft::token> words::single_token(std::string const& text) const {
    return tokenizer_ ? tokenizer_->single_token(text) : number(text.substr(1)); // behind the space
}

engraft::token words::number(std::string const& word) const {
    return numbers_.emplace(word, static_cast<engraft::token>(numbers_.size() + 1)).first->second;
}

} // namespace paper
