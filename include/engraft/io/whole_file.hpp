#pragma once

#include <filesystem>
#include <string_view>

#include <engraft/core/linkage.hpp>

namespace engraft {

/// Writes a file whole or not at all: the bytes go to PATH.part, and once they are on the disk, that file is renamed to
/// PATH. If that fails, PATH.part is removed and an older file at PATH is unchanged.
/// throws bad_input if the file can't be written, another program is writing it, or PATH.part is not an ordinary file
void write_whole_file(std::filesystem::path const& path, std::string_view bytes);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/whole_file.ipp>
#endif
