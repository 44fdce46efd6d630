#pragma once

#include <filesystem>
#include <string_view>

#include <engraft/core/linkage.hpp>

namespace engraft {

/// Writes a file whole or not at all: the bytes go to a file beside it, which then takes its name. An older file of the
/// name stays as it was when that fails.
/// throws bad_input when the file can't be written
void write_whole_file(std::filesystem::path const& path, std::string_view bytes);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/whole_file.ipp>
#endif
