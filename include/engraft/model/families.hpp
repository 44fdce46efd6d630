#pragma once

#include <engraft/model/families/llama.hpp>

namespace engraft {

namespace detail {
template <family F>
struct family_reader;
template <>
struct family_reader<family::llama> {
    using type = families::llama;
};
} // namespace detail

/// What knows the checkpoint of a description's family.
template <description D>
using family_of = typename detail::family_reader<D.family>::type;

} // namespace engraft
