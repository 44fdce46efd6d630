#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <engraft/core/linkage.hpp>
#include <engraft/io/printable.hpp>

/// For the sources of io, and for programs that read JSON themselves: no header of engraft that a program gets by
/// engraft.hpp includes this one, unless the bodies are in the headers (core/linkage.hpp).
///
/// JSON as an untrusted file: every function here throws `bad_file`, and none lets an exception of the JSON library
/// out. `path` begins each message; the path of a value inside the file can be appended to it.
namespace engraft {

/// Objects and arrays inside each other, counting the outermost.
inline constexpr std::size_t json_nesting_limit = 64;

/// Bytes and values of the largest document. The largest tokenizers have 35 MB and some two million values, each of
/// which takes up to 100 bytes of memory.
inline constexpr std::size_t json_size_limit = std::size_t{64} << 20;
inline constexpr std::size_t json_value_limit = std::size_t{3} << 20;

/// Bytes of a file with settings, such as a config.json: far more than any has.
inline constexpr std::size_t settings_size_limit = std::size_t{1} << 20;

/// Bytes of a file that engraft writes, such as a circuit.
inline constexpr std::size_t results_size_limit = std::size_t{16} << 20;

namespace detail {

/// A JSON value as a message shows it. (The JSON library's own writer is slow to compile.)
std::string shown(nlohmann::json const& value);

/// A text between quotation marks, as JSON has it.
std::string quoted(std::string_view text);

/// Whether programs can print a name that comes out of a file.
bool is_name(std::string_view name);

} // namespace detail

/// The document that a text is. Spaces may follow it, nothing else.
/// throws bad_file, with line and column, for what is not JSON; for a key that stands twice in an object; for nesting
/// deeper than `json_nesting_limit`; for more than `most` bytes or `json_value_limit` values, before they are built.
/// `keys` gets the keys of an outermost object in the order of the text, which the document itself does not keep
nlohmann::json parse_json(std::string_view text, std::string const& path, std::vector<std::string>* keys = nullptr,
                          std::size_t most = json_size_limit);

/// The document that a file holds.
nlohmann::json read_json(std::filesystem::path const& path, std::vector<std::string>* keys = nullptr,
                         std::size_t most = json_size_limit);

/// Whether a value switches nothing on: null, false, 0, or a text, an array or an object that is empty.
bool is_off(nlohmann::json const& value);

/// For a file that only engraft's programs and their users write.
/// throws bad_file, naming it, for a key of an object that is not one of `known`
void require_only(nlohmann::json const& object, std::initializer_list<std::string_view> known, std::string const& path);

/// For a file that other libraries write: a key that is not known may be there if its value is off.
/// throws bad_file, naming it, for a key of an object that is not one of `known` and is on
void require_rest_off(nlohmann::json const& object, std::initializer_list<std::string_view> known,
                      std::string const& path);

/// The value of a key, or nullptr where the key is missing or its value is null.
nlohmann::json const* find_value(nlohmann::json const& object, std::string_view key, std::string const& path);

nlohmann::json const& require_value(nlohmann::json const& object, std::string_view key, std::string const& path);

/// A whole number in [least, most]; 2.0 is not one.
std::int64_t as_int(nlohmann::json const& value, std::string_view name, std::string const& path, std::int64_t least,
                    std::int64_t most);

std::string const& as_string(nlohmann::json const& value, std::string_view name, std::string const& path);

double as_number(nlohmann::json const& value, std::string_view name, std::string const& path);

/// A number from 0 to `most`.
double as_accuracy(nlohmann::json const& value, std::string_view name, std::string const& path, double most = 1);

bool as_bool(nlohmann::json const& value, std::string_view name, std::string const& path);

nlohmann::json::array_t const& as_array(nlohmann::json const& value, std::string_view name, std::string const& path);

nlohmann::json::object_t const& as_object(nlohmann::json const& value, std::string_view name, std::string const& path);

std::int64_t require_int(nlohmann::json const& object, std::string_view key, std::string const& path,
                         std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                         std::int64_t most = std::numeric_limits<std::int64_t>::max());
double require_number(nlohmann::json const& object, std::string_view key, std::string const& path);
std::string const& require_string(nlohmann::json const& object, std::string_view key, std::string const& path);
nlohmann::json::array_t const& require_array(nlohmann::json const& object, std::string_view key,
                                             std::string const& path);
nlohmann::json::object_t const& require_object(nlohmann::json const& object, std::string_view key,
                                               std::string const& path);

/// A name out of a file, such as a key. throws bad_file if it is empty, too long or has control characters
std::string const& require_name(std::string const& name, std::string_view what, std::string const& path);

double number_or(nlohmann::json const& object, std::string_view key, std::string const& path, double otherwise);
bool bool_or(nlohmann::json const& object, std::string_view key, std::string const& path, bool otherwise);
std::string string_or(nlohmann::json const& object, std::string_view key, std::string const& path,
                      std::string const& otherwise);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/json.ipp>
#endif
