#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <engraft/io/json.hpp>
#include <engraft/io/safetensors.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

/// The named tensors of a model, wherever they lie: a folder with model.safetensors, a folder with shards and their
/// model.safetensors.index.json, or one .safetensors file. Nothing is read before it is asked for.
///
///     checkpoint const weights(folder);
///     std::vector<float> w(weights.size("lm_head.weight"));
///     weights.read("lm_head.weight", std::span(w));
///
/// throws bad_file when a file is missing or malformed, or when index and shards do not name the same tensors
class checkpoint {
public:
    explicit checkpoint(std::filesystem::path const& path) : path_(path.string()) {
        std::error_code ignored;
        if (!std::filesystem::is_directory(path, ignored)) {
            add(path);
            return;
        }
        if (auto const whole = path / "model.safetensors"; std::filesystem::exists(whole, ignored))
            add(whole);
        else if (auto const index = path / "model.safetensors.index.json"; std::filesystem::exists(index, ignored))
            add_shards(path, index);
        else
            throw bad_file(path_,
                           "the folder has neither model.safetensors nor model.safetensors.index.json; weights in "
                           "other formats must be converted to safetensors first");
    }

    std::string const& path() const { return path_; }

    /// In alphabetical order.
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (auto const& [name, tensor] : tensors_)
            all.push_back(name);
        return all;
    }

    bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

    /// The tensor as it is stored, for those who want its bytes.
    /// throws bad_model when there is none of that name
    stored_tensor const& at(std::string_view name) const {
        if (auto const found = tensors_.find(name); found != tensors_.end())
            return *found->second;
        throw bad_model({path_, ": there is no tensor '", name, "'"});
    }

    std::vector<std::size_t> shape(std::string_view name) const { return at(name).shape; }
    std::size_t size(std::string_view name) const { return at(name).size(); }
    engraft::dtype dtype(std::string_view name) const { return at(name).dtype; }

    /// Reads a whole tensor, row-major; `out` must have exactly its number of elements.
    /// throws bad_model, bad_input or bad_file as `at` and `read_elements`
    template <readable_number T>
    void read(std::string_view name, std::span<T> out) const {
        auto const& tensor = at(name);
        if (out.size() != tensor.size())
            throw bad_input({label(name), ": the tensor of shape ", shape_text(tensor.shape), " has ", tensor.size(),
                             " elements, but space was given for ", out.size()});
        read_elements(tensor, 0, out, label(name));
    }

    /// Reads elements first .. first + out.size(), so that a large tensor can pass through a small buffer.
    template <readable_number T>
    void read(std::string_view name, std::size_t first, std::span<T> out) const {
        read_elements(at(name), first, out, label(name));
    }

    /// The whole tensor.
    template <readable_number T>
    std::vector<T> read(std::string_view name) const {
        std::vector<T> all(size(name));
        read(name, std::span<T>(all));
        return all;
    }

private:
    std::string label(std::string_view name) const { return path_ + ": tensor '" + std::string(name) + "'"; }

    safetensors_file const& add(std::filesystem::path const& path) {
        files_.emplace_back(path);
        for (auto const& [name, tensor] : files_.back().tensors())
            if (!tensors_.emplace(name, &tensor).second)
                throw bad_file(path.string(), {"the tensor '", detail::printable(name), "' is in another shard too"});
        return files_.back();
    }

    static bool plain_name(std::string const& name) {
        return !name.empty() && name != "." && name != ".." &&
               name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
    }

    void add_shards(std::filesystem::path const& folder, std::filesystem::path const& index) {
        auto const document = read_json(index);
        std::string const where = index.string();
        std::map<std::string, std::set<std::string>> shards;
        for (auto const& [name, file] : require_object(document, "weight_map", where)) {
            auto const& shard = as_string(file, name, where);
            if (!plain_name(shard))
                throw bad_file(where, {"the shard '", detail::printable(shard), "' must be a file inside the folder"});
            shards[shard].insert(name);
        }
        if (shards.empty())
            throw bad_file(where, "'weight_map' names no tensor");
        for (auto const& [shard, expected] : shards) {
            auto const& tensors = add(folder / shard).tensors();
            for (auto const& name : expected)
                if (!tensors.contains(name))
                    throw bad_file(where, {"the tensor '", detail::printable(name), "' is said to be in ", shard,
                                           ", but is not there"});
            for (auto const& [name, tensor] : tensors)
                if (!expected.contains(name))
                    throw bad_file(where,
                                   {"the tensor '", detail::printable(name), "' in ", shard, " is not in the index"});
        }
    }

    std::string path_;
    std::vector<safetensors_file> files_;
    // Nodes of the files' maps, which stay where they are when the files move.
    std::map<std::string, stored_tensor const*, std::less<>> tensors_;
};

} // namespace engraft
