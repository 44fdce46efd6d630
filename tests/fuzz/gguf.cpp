#include <engraft/io/gguf.hpp>
#include <engraft/io/gguf_model.hpp>
#include <engraft/io/gguf_tokenizer.hpp>

#include "reading.hpp"

namespace {

using namespace engraft;

/// As a program might state them; what a file does not say is taken from here.
constexpr description expected[] = {
    {.family = family::mistral, .window = 4},
    {.family = family::llama,
     .d_head = 8,
     .rope_scaling = rope_scaling::llama3,
     .rope_factor = 8,
     .rope_original_context = 8192},
    {.family = family::gpt2, .mlp = mlp::gelu},
};

} // namespace

void engraft_fuzz::gguf(std::string_view input) {
    auto const path = folder::one().put("model.gguf", input);
    accepted([&] {
        gguf_file const file(path);
        std::size_t bytes = 0;
        for (auto const& [name, tensor] : file.tensors())
            bytes += tensor.bytes.size();
        require(bytes <= input.size(), "the tensors have more bytes than the file");
        for (auto const& entry : file.metadata()) {
            auto const& key = entry.first;
            file.shown(key);
            accepted([&] { file.number(key); });
            accepted([&] { file.flag(key); });
            accepted([&] { file.text(key); });
            accepted([&] { file.texts(key); });
            accepted([&] { file.numbers(key); });
            accepted([&] {
                auto const number = file.whole(key, -3, 1000);
                require(number >= -3 && number <= 1000, "a whole number is outside its bounds");
            });
        }
        for (auto const& d : expected)
            accepted([&] { require(what_is_wrong(read_config(file, &d)).empty(), "an ill-formed description came out"); });
        accepted([&] {
            require(what_is_wrong(read_config(file)).empty(), "an ill-formed description came out");
            read_all(checkpoint(path));
        });
        if (has_tokenizer(file))
            use_tokenizer(engraft::tokenizer::load(path));
    });
}
