#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace engraft::detail {

/// A class of transformers that makes its own normalizer, pre-tokenizer and decoder, and takes only vocabulary, merges
/// and what surrounds a text from tokenizer.json. Any other class uses tokenizer.json as it stands.
enum class tokenizer_class { as_it_stands, gpt2, gpt_neox, qwen2, llama, gemma };

struct class_name {
    std::string_view name;
    tokenizer_class of;
};

inline constexpr std::array<class_name, 9> tokenizer_classes{{
    {"GPT2Tokenizer", tokenizer_class::gpt2},
    {"GPTNeoXTokenizer", tokenizer_class::gpt_neox},
    {"Qwen2Tokenizer", tokenizer_class::qwen2},
    {"LlamaTokenizer", tokenizer_class::llama},
    {"GemmaTokenizer", tokenizer_class::gemma},
    {"PreTrainedTokenizer", tokenizer_class::as_it_stands},
    {"TokenizersBackend", tokenizer_class::as_it_stands},
    {"PythonBackend", tokenizer_class::as_it_stands},
    {"BloomTokenizer", tokenizer_class::as_it_stands},
}};

/// The class that transformers has for a model_type, which may overrule the one that is named.
inline constexpr std::array<class_name, 6> classes_of_models{{
    {"gpt2", tokenizer_class::gpt2},
    {"gpt_neox", tokenizer_class::gpt_neox},
    {"qwen2", tokenizer_class::qwen2},
    {"qwen3", tokenizer_class::qwen2},
    {"gemma2", tokenizer_class::gemma},
    {"mistral", tokenizer_class::as_it_stands},
}};

template <std::size_t N>
std::optional<tokenizer_class> class_called(std::array<class_name, N> const& names, std::string_view name) {
    auto const found = std::find_if(names.begin(), names.end(), [&](class_name const& c) { return c.name == name; });
    return found == names.end() ? std::nullopt : std::optional(found->of);
}

} // namespace engraft::detail
