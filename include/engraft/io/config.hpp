#pragma once

#include <filesystem>
#include <string>

#include <engraft/core/linkage.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// What a Hugging Face config.json says about a model; `path` is that file or the folder it is in. The description's
/// name is the folder's. For a GGUF file, what its metadata say (io/gguf_model.hpp). Keys that are missing have the
/// values that the transformers library gives them. throws bad_file when the file can't be read or is incomplete, when
/// its numbers don't fit together, when two spellings of a fact differ, and, naming it, for every key that is on and is
/// neither supported nor known to change nothing in what models of its family compute
description read_config(std::filesystem::path const& path);

/// Checks that a checkpoint's config says what a program was compiled for. Names may differ; numbers that are not whole
/// are compared as floats, in which models compute.
/// throws bad_model with a list of every field that differs and both its values
void require_same(description const& expected, description const& read, std::string const& path);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/config.ipp>
#include <engraft/io/source/require_same.ipp>
#endif
