#pragma once

#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>
#include <engraft/io/tokenizer_parts.hpp>

namespace engraft {

/// What a tokenizer.json says, as the parts that a tokenizer is made of; `path` begins messages.
/// throws bad_file when the text is malformed or has a part that is not read
tokenizer_steps::parts read_tokenizer_json(std::string_view text, std::string const& path);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/tokenizer_json.ipp>
#endif
