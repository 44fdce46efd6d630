#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/npy.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/whole_file.hpp>

namespace engraft {

namespace detail {

inline constexpr std::string_view npy_magic("\x93NUMPY", 6);

struct npy_type {
    std::string_view descr;
    engraft::dtype dtype;
};

inline constexpr npy_type npy_types[] = {
    {"<f4", dtype::f32}, {"<f8", dtype::f64}, {"<i8", dtype::i64}, {"<i4", dtype::i32},
    {"<i2", dtype::i16}, {"|i1", dtype::i8},  {"<u8", dtype::u64}, {"<u4", dtype::u32},
    {"<u2", dtype::u16}, {"|u1", dtype::u8},  {"<f2", dtype::f16}, {"|b1", dtype::boolean},
};

/// Reads the part of Python's syntax that headers are made of. Every step that finds something else refuses the file.
class npy_header {
public:
    npy_header(std::string_view text, std::string const& path) : text_(text), path_(path) {}

    stored_tensor read() {
        stored_tensor tensor;
        bool descr = false, fortran = false, shape = false;
        expect('{');
        while (!accepts('}')) {
            auto const key = string();
            expect(':');
            if (key == "descr" && !std::exchange(descr, true))
                tensor.dtype = type();
            else if (key == "fortran_order" && !std::exchange(fortran, true))
                order();
            else if (key == "shape" && !std::exchange(shape, true))
                tensor.shape = tuple();
            else
                refuse({"the key '", printable(key, 40), "' is unknown or stands twice"});
            if (!accepts(',')) {
                expect('}');
                break;
            }
        }
        spaces();
        if (at_ != text_.size())
            refuse({"something follows the dictionary"});
        if (!descr || !fortran || !shape)
            refuse({"one of 'descr', 'fortran_order' and 'shape' is missing"});
        if (column_major_ && tensor.shape.size() > 1)
            throw bad_file(path_, "the array is column-major (fortran_order), which is not read; save "
                                  "numpy.ascontiguousarray of it");
        return tensor;
    }

private:
    [[noreturn]] void refuse(message_parts what) const {
        throw bad_file(path_, {"the npy header is wrong at character ", at_, ": ", message(what)});
    }

    void spaces() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n'))
            ++at_;
    }

    bool accepts(char c) {
        spaces();
        if (at_ == text_.size() || text_[at_] != c)
            return false;
        ++at_;
        return true;
    }

    void expect(char c) {
        if (!accepts(c))
            refuse({"'", c, "' is missing"});
    }

    std::string_view string() {
        spaces();
        char const quote = at_ < text_.size() ? text_[at_] : ' ';
        auto const end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : text_.npos;
        if (end == text_.npos)
            refuse({"a text between quotation marks is missing"});
        auto const value = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return value;
    }

    engraft::dtype type() {
        if (spaces(); at_ < text_.size() && text_[at_] == '[')
            throw bad_file(path_, "records with named fields are not read");
        auto const name = string();
        for (auto const& known : npy_types)
            if (known.descr == name)
                return known.dtype;
        throw bad_file(path_, {"the element type '", printable(name, 40),
                               "' is not read; there are little-endian floats, integers and booleans"});
    }

    void order() {
        spaces();
        for (std::string_view const word : {"True", "False"})
            if (text_.substr(at_, word.size()) == word) {
                at_ += word.size();
                column_major_ = word == "True";
                return;
            }
        refuse({"fortran_order must be True or False"});
    }

    std::size_t number() {
        spaces();
        std::size_t value = 0;
        auto const begin = at_;
        for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
            auto const digit = static_cast<std::size_t>(text_[at_] - '0');
            if (value > (std::numeric_limits<std::size_t>::max() / 2 - digit) / 10)
                refuse({"a dimension is too large"});
            value = value * 10 + digit;
        }
        if (at_ == begin)
            refuse({"a dimension is missing"});
        return value;
    }

    std::vector<std::size_t> tuple() {
        std::vector<std::size_t> dimensions;
        expect('(');
        while (!accepts(')')) {
            dimensions.push_back(number());
            if (dimensions.size() > 32) // as many as NumPy had when the format was made
                refuse({"an array has at most 32 dimensions"});
            if (!accepts(',')) {
                if (dimensions.size() == 1)
                    refuse({"a tuple of one number has a comma"});
                expect(')');
                break;
            }
        }
        return dimensions;
    }

    std::string_view text_;
    std::string const& path_;
    std::size_t at_ = 0;
    bool column_major_ = false;
};

/// Bytes that a shape takes; the largest number where they can't be counted.
inline std::size_t npy_bytes(stored_tensor const& tensor) {
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    std::size_t bytes = facts_of(tensor.dtype).bytes;
    bool empty = false;
    for (auto const n : tensor.shape)
        empty |= n == 0;
    for (auto const n : tensor.shape) {
        if (empty)
            return 0;
        if (bytes > most / 2 / n)
            return most;
        bytes *= n;
    }
    return bytes;
}

} // namespace detail

ENGRAFT_BODY npy_file::npy_file(std::filesystem::path const& path) : file_(path) {
    auto const text = file_.text();
    auto const& name = file_.path();
    if (!text.starts_with(detail::npy_magic))
        throw bad_file(name, "this is no npy file: it does not begin with \\x93NUMPY");
    auto const byte = [&](std::size_t i) -> std::size_t {
        if (i >= text.size())
            throw bad_file(name, "the file ends inside its npy header");
        return static_cast<unsigned char>(text[i]);
    };
    auto const major = byte(6), minor = byte(7);
    if (major < 1 || major > 3 || minor != 0)
        throw bad_file(name, {"npy version ", major, ".", minor, " is not read; there are 1.0, 2.0 and 3.0"});
    std::size_t const begin = major == 1 ? 10 : 12;
    std::size_t length = 0;
    for (std::size_t i = begin; i-- > 8;)
        length = length * 256 + byte(i);
    if (length > text.size() - begin)
        throw bad_file(
            name, {"the npy header says it has ", length, " bytes, but the file ends after ", text.size() - begin});
    tensor_ = detail::npy_header(text.substr(begin, length), name).read();
    tensor_.bytes = file_.bytes().subspan(begin + length);
    if (auto const bytes = detail::npy_bytes(tensor_); bytes != tensor_.bytes.size())
        throw bad_file(name, {"an array ", shape_text(tensor_.shape), " of ", to_string(tensor_.dtype), " takes ",
                              bytes, " bytes, but the file has ", tensor_.bytes.size(), " behind its header"});
}

ENGRAFT_BODY void write_npy(std::filesystem::path const& path, stored_tensor const& tensor) {
    std::string_view descr;
    for (auto const& known : detail::npy_types)
        if (known.dtype == tensor.dtype)
            descr = known.descr;
    if (descr.empty())
        throw bad_input({"npy files have no elements of type ", to_string(tensor.dtype)});
    if (auto const bytes = detail::npy_bytes(tensor); bytes != tensor.bytes.size())
        throw bad_input({"an array ", shape_text(tensor.shape), " of ", to_string(tensor.dtype), " takes ", bytes,
                         " bytes, but ", tensor.bytes.size(), " are given"});
    std::string header = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
    for (std::size_t d = 0; d < tensor.shape.size(); ++d)
        header += std::to_string(tensor.shape[d]) + (d + 1 < tensor.shape.size() ? ", " : d == 0 ? "," : "");
    header += "), }";
    header.append(63 - (10 + header.size()) % 64, ' ');
    header += '\n';
    if (header.size() > 0xffff)
        throw bad_input({"an array of ", tensor.shape.size(), " dimensions can't be written"});
    std::string file(detail::npy_magic);
    file += '\1';
    file += '\0';
    file += static_cast<char>(header.size() % 256);
    file += static_cast<char>(header.size() / 256);
    file += header;
    file.append(reinterpret_cast<char const*>(tensor.bytes.data()), tensor.bytes.size());
    write_whole_file(path, file);
}

} // namespace engraft
