#include <engraft/io/tokenizer.hpp>

#include "reading.hpp"

void engraft_fuzz::tokenizer(std::string_view input) {
    auto const file = folder::one().put("tokenizer.json", input);
    accepted([&] { use_tokenizer(engraft::tokenizer::load(file)); });
}
