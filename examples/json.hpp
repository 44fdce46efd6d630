#pragma once

// What a program found, as --json writes it.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace example {

/// A JSON value that is only built: nothing, a number, a text, an array, or an object, whose keys keep their order. A
/// number that is not finite is written as null.
class json {
public:
    json() = default;
    json(std::nullptr_t) {}
    json(std::integral auto x)
        : kind_(std::same_as<decltype(x), bool>       ? kind::truth
                : std::unsigned_integral<decltype(x)> ? kind::natural
                                                      : kind::whole),
          whole_(static_cast<std::uint64_t>(x)) {}
    json(double x) : kind_(kind::real), real_(x) {}
    json(std::string_view x) : kind_(kind::text), text_(x) {}
    json(std::string const& x) : json(std::string_view(x)) {}
    json(char const* x) : json(std::string_view(x)) {}
    template <class T>
    json(std::vector<T> const& all) : kind_(kind::array), parts_(all.begin(), all.end()) {}

    /// An object where each is an array of a text and a value, as in {{"seed", 1}, {"boxes", 7}}; otherwise an array.
    json(std::initializer_list<json> all);

    static json array() { return of(kind::array); }
    static json object() { return of(kind::object); }

    /// The value of a key, made where there is none. Nothing becomes an object.
    json& operator[](std::string_view key);

    /// Nothing becomes an array.
    void push_back(json part);
    json& back() { return parts_.back(); }

    /// As JSON, indented by two spaces.
    std::string text() const;

private:
    enum class kind { nothing, truth, whole, natural, real, text, array, object };

    template <class Json>
    Json as() const; ///< of the JSON library

    static json of(kind k) {
        json made;
        made.kind_ = k;
        return made;
    }

    kind kind_ = kind::nothing;
    std::uint64_t whole_ = 0; ///< a negative one's bits, too
    double real_ = 0;
    std::string text_;
    std::vector<std::string> keys_; ///< of an object's parts
    std::vector<json> parts_;
};

} // namespace example
