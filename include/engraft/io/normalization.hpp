#pragma once

#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>

namespace engraft {

/// Normalization form C of valid UTF-8: canonical decomposition, canonical order, canonical composition.
/// source  Unicode Standard Annex #15
std::string nfc(std::string_view text);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/normalization.ipp>
#endif
