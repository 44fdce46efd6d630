#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>

namespace engraft::detail {

/// The part of a text from a file that fits in a message: short, and without control or non-ASCII bytes.
std::string printable(std::string_view text, std::size_t limit = 120);

/// UTF-8 with '?' for each control character of ASCII.
std::string without_controls(std::string text);

/// A number as short as tells any two floats apart.
std::string number_text(double value);

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/printable.ipp>
#endif
