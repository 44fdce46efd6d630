#pragma once

#include <concepts>
#include <filesystem>
#include <memory>
#include <utility>

#include <engraft/io/loaded_model.hpp>
#include <engraft/io/lora.hpp>
#include <engraft/io/model_files.hpp>
#include <engraft/io/weight_reader.hpp>
#include <engraft/model/families.hpp>
#include <engraft/model/map_layout.hpp>

namespace engraft {

namespace detail {

template <description const& D, class Backend, class Adapter>
loaded_model<D, Backend> load_model(std::filesystem::path const& path, Backend backend, Adapter const& adapter) {
    auto files = open_model(path, D);
    auto read = std::make_shared<weights<D, Backend> const>(
        read_weights<family_of<D>, weights<D, Backend>>(D, files.tensors, backend, adapter));
    return {{std::move(read), std::move(backend)}, std::move(files.words)};
}

} // namespace detail

/// Loads a Hugging Face folder: config.json, which must agree with the description in every field; the weights as
/// safetensors; and tokenizer.json if there is one. Every tensor that the description implies must be there with its
/// shape and finite numbers, and no other tensor may be left. Also loads a GGUF file: its metadata must agree with the
/// description, its weights are dequantised while they are read, and its tokenizer is read.
///
///     auto llama = load<llama_7b>("llama-7b");                          // fp32 on the CPU
///     auto small = load<smollm2>("SmolLM2-135M-Instruct.Q4_1.gguf");
///     auto oracle = load<llama_7b>("llama-7b", reference{});            // double, slowly
///
/// throws bad_file for files that can't be read, bad_model for those of another model
template <description const& D, class Backend = default_backend>
    requires(!std::same_as<Backend, lora>)
loaded_model<D, Backend> load(std::filesystem::path const& path, Backend backend = Backend{}) {
    return detail::load_model<D>(path, std::move(backend), detail::no_adapter{});
}

/// The same with a low-rank adapter merged into the weights, W + s B A computed in double; the model's type, and what a
/// run costs, are those of a model without an adapter. To keep adapter and weights apart, see `adapt`.
///
///     auto goat = load<llama_7b>("llama-7b", lora("goat-lora-7b"));
///
/// throws also bad_model, naming the module, when the adapter is of another model
template <description const& D, class Backend = default_backend>
loaded_model<D, Backend> load(std::filesystem::path const& path, lora const& adapter, Backend backend = Backend{}) {
    return detail::load_model<D>(path, std::move(backend), adapter.fit(layout_of<D>()));
}

} // namespace engraft
