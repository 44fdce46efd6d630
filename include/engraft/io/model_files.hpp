#pragma once

#include <filesystem>
#include <memory>

#include <engraft/core/linkage.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/model/description.hpp>

namespace engraft::detail {

/// A model's files, checked against its description.
struct model_files {
    checkpoint tensors;
    std::shared_ptr<tokenizer const> words; ///< nothing where none came with the weights
};

/// throws bad_file, bad_model
model_files open_model(std::filesystem::path const& path, description const& described);

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/model_files.ipp>
#endif
