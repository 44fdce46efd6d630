#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

/// An array in NumPy's format: the bytes 93 'NUMPY'; a version; the length of the header; the header, a Python
/// dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (32, 32), }; then the elements and nothing else.
/// Versions 1.0, 2.0 and 3.0; little-endian floats of 2, 4 or 8 bytes, integers of 1 to 8, booleans; row-major.
/// The whole header is checked when the file is opened. (xtensor's reader is not used: it returns arrays that are cut
/// short as if they were whole, and takes header lengths above 127 for others.)
/// source  NumPy's documentation, "NPY format"
/// throws  bad_file, saying what is wrong or not read
class npy_file {
public:
    explicit npy_file(std::filesystem::path const& path);

    std::string const& path() const { return file_.path(); }

    /// Its bytes live as long as this object, wherever it is moved.
    stored_tensor const& tensor() const { return tensor_; }

private:
    mapped_file file_;
    stored_tensor tensor_;
};

/// An array of any number of dimensions, row-major.
template <class T>
struct array {
    std::vector<std::size_t> shape;
    std::vector<T> values;
};

/// The array of a file; float, double or std::int64_t, converted as read_elements does.
template <readable_number T>
array<T> read_npy(std::filesystem::path const& path) {
    npy_file const file(path);
    array<T> a{file.tensor().shape, std::vector<T>(file.tensor().size())};
    read_elements(file.tensor(), 0, std::span<T>(a.values), file.path());
    return a;
}

/// Writes an array, whole or not at all, as numpy.save does: version 1.0, row-major.
/// throws bad_input when the bytes are not those of the shape, or the file can't be written
void write_npy(std::filesystem::path const& path, stored_tensor const& tensor);

template <readable_number T>
void write_npy(std::filesystem::path const& path, std::vector<std::size_t> const& shape, std::span<T const> values) {
    constexpr dtype type = sizeof(T) == 4 ? dtype::f32 : std::same_as<T, double> ? dtype::f64 : dtype::i64;
    write_npy(path, stored_tensor{type, shape, std::as_bytes(values)});
}

/// Writes an array that knows its shape: an `array`, or what `run[site].array()` returns. A list is of one dimension.
template <class Array>
    requires requires(Array const& a) {
        a.shape;
        a.values;
    }
void write_npy(std::filesystem::path const& path, Array const& a) { write_npy(path, a.shape, std::span(a.values)); }
template <readable_number T>
void write_npy(std::filesystem::path const& path, std::vector<T> const& list) {
    write_npy(path, {list.size()}, std::span(list));
}

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/npy.ipp>
#endif
