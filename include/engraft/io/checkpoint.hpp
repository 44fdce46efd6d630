#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/arranged_tensor.hpp>
#include <engraft/io/safetensors.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

class gguf_file;
struct description;

/// The named tensors of a model, wherever they lie: a folder with model.safetensors, a folder with shards and their
/// model.safetensors.index.json, one .safetensors file, or a GGUF file, whose tensors have the names and the order of
/// rows that Hugging Face's checkpoints of the same family have. Nothing is read before it is asked for, and what was
/// read does not stay in memory.
///
///     checkpoint const weights(folder);
///     std::vector<float> w(weights.size("lm_head.weight"));
///     weights.read("lm_head.weight", std::span(w));
///
/// throws bad_file when a file is missing or malformed, when index and shards do not name the same tensors, or when a
/// folder has both model.safetensors and shards
class checkpoint {
public:
    explicit checkpoint(std::filesystem::path const& path);

    /// A GGUF file whose description (io/gguf_model.hpp) is known.
    checkpoint(gguf_file file, description const& d);

    std::string const& path() const { return path_; }

    /// In alphabetical order.
    std::vector<std::string> names() const;

    /// The paths of the safetensors files.
    std::vector<std::string> files() const;

    bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

    /// throws bad_model when there is none of that name
    arranged_tensor const& at(std::string_view name) const;

    std::vector<std::size_t> shape(std::string_view name) const { return at(name).shape(); }
    std::size_t size(std::string_view name) const { return at(name).size(); }
    engraft::dtype dtype(std::string_view name) const { return at(name).stored->dtype; }

    /// Reads a whole tensor, row-major; `out` must have exactly its number of elements.
    /// throws bad_model, bad_input or bad_file as `at` and `read_elements`
    template <readable_number T>
    void read(std::string_view name, std::span<T> out) const {
        auto const& tensor = at(name);
        if (out.size() != tensor.size())
            throw bad_input({label(name), ": the tensor of shape ", shape_text(tensor.shape()), " has ", tensor.size(),
                             " elements, but space was given for ", out.size()});
        read_elements(tensor, 0, out, label(name));
    }

    /// Reads elements first .. first + out.size(), so that a large tensor can pass through a small buffer.
    template <readable_number T>
    void read(std::string_view name, std::size_t first, std::span<T> out) const {
        read_elements(at(name), first, out, label(name));
    }

    /// Reads elements of a weight, which are floating point numbers and finite.
    /// throws bad_file, naming the type or the element, when they are not
    template <std::floating_point T>
    void read_weight(std::string_view name, std::size_t first, std::span<T> out) const {
        auto const& tensor = at(name);
        require_weight(name);
        read_elements(tensor, first, out, label(name), element_check::finite);
    }

    /// The whole weight.
    template <std::floating_point T>
    std::vector<T> read_weight(std::string_view name) const {
        std::vector<T> all(size(name));
        read_weight(name, 0, std::span<T>(all));
        return all;
    }

    /// throws bad_file for a tensor whose type is no weight's: integers, and F8 without its scale
    void require_weight(std::string_view name) const;

    /// The whole tensor.
    template <readable_number T>
    std::vector<T> read(std::string_view name) const {
        std::vector<T> all(size(name));
        read(name, std::span<T>(all));
        return all;
    }

private:
    std::string label(std::string_view name) const;

    safetensors_file const& add(std::filesystem::path const& path);

    void add_shards(std::filesystem::path const& folder, std::filesystem::path const& index, bool has_whole);

    std::string path_;
    std::vector<safetensors_file> files_;
    std::shared_ptr<gguf_file const> gguf_;
    // Of nodes of the files' maps, which stay where they are when the files move.
    std::map<std::string, arranged_tensor, std::less<>> tensors_;
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/checkpoint.ipp>
#endif
