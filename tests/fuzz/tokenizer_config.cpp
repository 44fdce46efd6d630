#include <engraft/io/tokenizer.hpp>

#include "reading.hpp"

namespace {

/// Byte-level, with two added tokens; small enough that what the input says decides.
constexpr std::string_view beside = R"({
    "added_tokens": [{"id": 9, "content": "<s>", "special": true}, {"id": 10, "content": "box", "normalized": true}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "decoder": {"type": "ByteLevel"},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {}}],
                       "special_tokens": {"<s>": {"ids": [9]}}},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "\u0120": 4, "t": 5, "h": 6, "e": 7, "he": 8},
              "merges": ["a b", "h e"]}})";

} // namespace

void engraft_fuzz::tokenizer_config(std::string_view input) {
    auto const& files = folder::one();
    files.put("tokenizer.json", beside);
    files.put("tokenizer_config.json", input);
    accepted([&] { use_tokenizer(engraft::tokenizer::load(files.path())); });
}
