#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

/// Everything engraft throws. A message is one sentence that says what was read, what was expected and what to do;
/// where a rule of the library is broken it begins with the rule's bracketed id, as in docs/reference/diagnostics.md.
namespace engraft {

/// A part of a message: text or a whole number. Messages are written as lists of these, since sums of strings would be
/// most of what a program that includes the library compiles.
class message_part {
public:
    template <class Text>
        requires std::convertible_to<Text const&, std::string_view> message_part(Text const& text) : text_(text) {}
        template <class Number>
            requires(std::is_integral_v<Number> && !std::is_same_v<Number, char>)
        message_part(Number number) : number_(static_cast<long long>(number)), kind_(kind_of(number)) {}
        message_part(char character) : number_(character), kind_(kind::character) {}

        void append_to(std::string& message) const {
            switch (kind_) {
            case kind::text:
                message += text_;
                break;
            case kind::number:
                message += std::to_string(number_);
                break;
            case kind::count:
                message += std::to_string(static_cast<unsigned long long>(number_));
                break;
            case kind::character:
                message += static_cast<char>(number_);
                break;
            }
        }

    private:
        enum class kind { text, number, count, character };

        template <class Number>
        static constexpr kind kind_of([[maybe_unused]] Number number) {
            if constexpr (std::is_signed_v<Number>)
                return number < 0 ? kind::number : kind::count;
            else
                return kind::count;
        }

        std::string_view text_;
        long long number_ = 0;
        kind kind_ = kind::text;
};

using message_parts = std::initializer_list<message_part>;

[[gnu::cold, gnu::noinline]] inline std::string message(message_parts parts) {
    std::string text;
    for (auto const& part : parts)
        part.append_to(text);
    return text;
}

/// The longest message, in bytes.
inline constexpr std::size_t message_limit = 4000;

/// A message as one line that is safe on a terminal, although it may contain names and texts from files. Each control
/// character becomes '?', and a message longer than `message_limit` is cut off.
[[gnu::cold, gnu::noinline]] inline std::string one_line(std::string text) {
    if (text.size() > message_limit)
        text.replace(message_limit - 3, text.npos, "...");
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const byte = static_cast<unsigned char>(text[i]);
        auto const next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
        if (byte < 0x20 || byte == 0x7F)
            text[i] = '?';
        else if (byte == 0xC2 && next >= 0x80 && next < 0xA0) // U+0080 to U+009F
            text[i] = text[i + 1] = '?';
    }
    return text;
}

class error : public std::runtime_error {
public:
    [[gnu::cold, gnu::noinline]] error(std::string const& text) : std::runtime_error(one_line(text)) {}
    [[gnu::cold, gnu::noinline]] error(char const* text) : std::runtime_error(one_line(text)) {}
    [[gnu::cold, gnu::noinline]] error(message_parts parts) : std::runtime_error(one_line(message(parts))) {}
};

/// A file is missing, truncated, malformed or of a kind that is not read.
class bad_file : public error {
public:
    [[gnu::cold, gnu::noinline]] bad_file(std::string_view path, std::string_view what) : error({path, ": ", what}) {}
    [[gnu::cold, gnu::noinline]] bad_file(std::string_view path, message_parts what)
        : error({path, ": ", message(what)}) {}
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
