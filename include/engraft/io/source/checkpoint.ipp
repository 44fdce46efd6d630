#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/gguf_model.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>

namespace engraft {

namespace detail {

inline bool plain_name(std::string const& name) {
    return !name.empty() && name != "." && name != ".." &&
           name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

} // namespace detail

ENGRAFT_BODY checkpoint::checkpoint(std::filesystem::path const& path) : path_(path.string()) {
    std::error_code ignored;
    if (is_gguf(path)) {
        gguf_ = std::make_shared<gguf_file const>(path);
        tensors_ = family_tensors(*gguf_, read_config(*gguf_));
        return;
    }
    if (!std::filesystem::is_directory(path, ignored)) {
        add(path);
        return;
    }
    auto const whole = path / "model.safetensors", index = path / "model.safetensors.index.json";
    bool const has_whole = is_there(whole);
    if (is_there(index))
        add_shards(path, index, has_whole);
    else if (has_whole)
        add(whole);
    else
        throw bad_file(path_, "the folder has neither model.safetensors nor model.safetensors.index.json; weights in "
                              "other formats must be converted to safetensors first (a .gguf file is loaded by its own "
                              "path)");
}

ENGRAFT_BODY checkpoint::checkpoint(gguf_file file, description const& d)
    : path_(file.path()), gguf_(std::make_shared<gguf_file const>(std::move(file))),
      tensors_(family_tensors(*gguf_, d)) {}

ENGRAFT_BODY std::vector<std::string> checkpoint::names() const {
    std::vector<std::string> all;
    for (auto const& [name, tensor] : tensors_)
        all.push_back(name);
    return all;
}

ENGRAFT_BODY std::vector<std::string> checkpoint::files() const {
    std::vector<std::string> all;
    for (auto const& file : files_)
        all.push_back(file.path());
    return all;
}

ENGRAFT_BODY arranged_tensor const& checkpoint::at(std::string_view name) const {
    if (auto const found = tensors_.find(name); found != tensors_.end())
        return found->second;
    throw bad_model({path_, ": there is no tensor '", detail::printable(name), "'"});
}

ENGRAFT_BODY std::string checkpoint::label(std::string_view name) const {
    return path_ + ": tensor '" + detail::printable(name) + "'";
}

ENGRAFT_BODY void checkpoint::require_weight(std::string_view name) const {
    if (auto const type = dtype(name); !is_weight(type))
        throw bad_file(label(name), {"it holds numbers of type ", to_string(type),
                                     ", which need a scale to be weights; expected F64, F32, F16, BF16 or "
                                     "one of GGUF's quantised types; dequantise the model and save it again"});
}

ENGRAFT_BODY safetensors_file const& checkpoint::add(std::filesystem::path const& path) {
    files_.emplace_back(path);
    for (auto const& [name, tensor] : files_.back().tensors())
        if (!tensors_.emplace(name, arranged_tensor{.stored = &tensor}).second)
            throw bad_file(path.string(), {"the tensor '", detail::printable(name), "' is in another shard too"});
    return files_.back();
}

ENGRAFT_BODY void checkpoint::add_shards(std::filesystem::path const& folder, std::filesystem::path const& index,
                                         bool has_whole) {
    auto const document = read_json(index);
    std::string const where = index.string();
    std::map<std::string, std::set<std::string>> shards;
    for (auto const& [name, file] : require_object(document, "weight_map", where)) {
        auto const& shard = as_string(file, name, where);
        if (!detail::plain_name(shard))
            throw bad_file(where, {"the shard '", detail::printable(shard), "' must be a file inside the folder"});
        shards[shard].insert(name);
    }
    if (shards.empty())
        throw bad_file(where, "'weight_map' names no tensor");
    if (has_whole && !shards.contains("model.safetensors"))
        throw bad_file(where,
                       "the folder also has model.safetensors, which the index does not name; remove the index or "
                       "that file");
    for (auto const& [shard, expected] : shards) {
        auto const& tensors = add(folder / shard).tensors();
        for (auto const& name : expected)
            if (!tensors.contains(name))
                throw bad_file(where, {"the tensor '", detail::printable(name), "' is said to be in ",
                                       detail::printable(shard), ", but is not there"});
        for (auto const& [name, tensor] : tensors)
            if (!expected.contains(name))
                throw bad_file(where, {"the tensor '", detail::printable(name), "' in ", detail::printable(shard),
                                       " is not in the index"});
    }
}

} // namespace engraft
