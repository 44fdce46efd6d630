#pragma once

#include <stdexcept>
#include <string>

/// Everything engraft throws. A message is one sentence that says what was read, what was expected and what to do;
/// where a rule of the library is broken it begins with the rule's bracketed id, as in docs/reference/diagnostics.md.
namespace engraft {

class error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A file is missing, truncated, malformed or of a kind that is not read.
class bad_file : public error {
public:
    bad_file(std::string const& path, std::string const& what) : error(path + ": " + what) {}
};

/// A checkpoint is well formed but not of the described architecture.
class bad_model : public error {
public:
    using error::error;
};

/// Tokens, prompts, roles or options that can't be run.
class bad_input : public error {
public:
    using error::error;
};

/// A layer, head or position that the model or the batch does not have.
class bad_layer : public bad_input {
public:
    using bad_input::bad_input;
};

class bad_head : public bad_input {
public:
    using bad_input::bad_input;
};

class bad_position : public bad_input {
public:
    using bad_input::bad_input;
};

/// A cache that does not hold the activation asked of it.
class missing_activation : public error {
public:
    using error::error;
};

} // namespace engraft
