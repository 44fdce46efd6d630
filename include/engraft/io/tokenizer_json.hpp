#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>
#include <engraft/io/tokenizer_parts.hpp>

namespace engraft {

/// What a tokenizer.json says, as the parts that a tokenizer is made of; `path` begins messages.
/// throws bad_file when the text is malformed or has a part that is not read
tokenizer_steps::parts read_tokenizer_json(std::string_view text, std::string const& path);

/// What a folder's tokenizer.json says. If the folder has a tokenizer_config.json, the parts are those that
/// `AutoTokenizer.from_pretrained` of transformers 5.24 makes of the folder's files.
/// throws bad_file as above, and if tokenizer_config.json asks for what is not read or contradicts tokenizer.json
tokenizer_steps::parts read_tokenizer_folder(std::filesystem::path const& folder);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/tokenizer_json.ipp>
#endif
