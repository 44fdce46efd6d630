#pragma once

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/gguf_model.hpp>
#include <engraft/io/gguf_tokenizer.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/model_files.hpp>
#include <engraft/io/tokenizer.hpp>

namespace engraft::detail {

inline model_files open_gguf(std::filesystem::path const& path, description const& described) {
    gguf_file file(path);
    auto const read = read_config(file, &described);
    require_same(described, read, file.path());
    std::shared_ptr<tokenizer const> words;
    if (has_tokenizer(file))
        words = std::make_shared<tokenizer const>(read_tokenizer(file), file.path());
    return {checkpoint(std::move(file), read), std::move(words)};
}

ENGRAFT_BODY model_files open_model(std::filesystem::path const& path, description const& described) {
    if (is_gguf(path))
        return open_gguf(path, described);
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored))
        throw bad_file(path.string(), "this is not a folder; a model is a folder with config.json and "
                                      "model.safetensors, or one GGUF file");
    auto const read = read_config(path);
    require_same(described, read, (path / "config.json").string());
    std::shared_ptr<tokenizer const> words;
    if (is_there(path / "tokenizer.json"))
        words = std::make_shared<tokenizer const>(tokenizer::load(path / "tokenizer.json"));
    return {checkpoint(path), std::move(words)};
}

} // namespace engraft::detail
