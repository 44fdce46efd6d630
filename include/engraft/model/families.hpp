#pragma once

#include <type_traits>

#include <engraft/model/families/gpt2.hpp>
#include <engraft/model/families/gpt_neox.hpp>
#include <engraft/model/families/llama.hpp>

namespace engraft {

/// What knows the checkpoint of a description's family.
template <description D>
using family_of =
    std::conditional_t<D.family == family::gpt2, families::gpt2,
                       std::conditional_t<D.family == family::gpt_neox, families::gpt_neox, families::llama>>;

} // namespace engraft
