#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <engraft/core/linkage.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

/// A safetensors file: 8 bytes with the length of the header, little-endian; the header, a JSON object from tensor
/// names to {"dtype", "shape", "data_offsets": [begin, end]}; then the tensors' bytes, each byte belonging to exactly
/// one tensor. The whole header is checked when the file is opened, so that nothing that it says needs to be doubted
/// afterwards.
/// source  the format's description in the safetensors project's README
/// throws  bad_file, naming the tensor and what is wrong with it
class safetensors_file {
public:
    explicit safetensors_file(std::filesystem::path const& path);

    std::string const& path() const { return file_.path(); }

    /// The tensors by name. Their bytes live as long as this object, wherever it is moved.
    std::map<std::string, stored_tensor, std::less<>> const& tensors() const { return tensors_; }

    /// The header's "__metadata__": texts only, without meaning to the format.
    std::map<std::string, std::string, std::less<>> const& metadata() const { return metadata_; }

private:
    mapped_file file_;
    std::map<std::string, stored_tensor, std::less<>> tensors_;
    std::map<std::string, std::string, std::less<>> metadata_;
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/safetensors.ipp>
#endif
