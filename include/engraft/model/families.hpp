#pragma once

#include <type_traits>

#include <engraft/model/families/gpt2.hpp>
#include <engraft/model/families/gpt_neox.hpp>
#include <engraft/model/families/hooked_transformer.hpp>
#include <engraft/model/families/llama.hpp>

namespace engraft {

/// What knows the checkpoint of a description's family.
template <description const& D>
using family_of = std::conditional_t<
    D.family == family::gpt2, families::gpt2,
    std::conditional_t<D.family == family::gpt_neox, families::gpt_neox,
                       std::conditional_t<D.family == family::hooked_transformer, families::hooked_transformer,
                                          families::llama>>>;

/// use(families::gpt2{}) or the like, for a family that is known only when the program runs.
template <class Use>
decltype(auto) with_family(family f, Use const& use) {
    switch (f) {
    case family::gpt2:
        return use(families::gpt2{});
    case family::gpt_neox:
        return use(families::gpt_neox{});
    case family::hooked_transformer:
        return use(families::hooked_transformer{});
    default:
        return use(families::llama{});
    }
}

} // namespace engraft
