// One run of a small model, to be compiled for each POLICY and disassembled: see same_code.sh.

#include <type_traits>

#include <engraft/backend/reference/reference.hpp>
#include <engraft/intervene/capture.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/run/model.hpp>

namespace eg = engraft;

inline constexpr eg::description small{
    .name = "small", .layers = 2, .d_model = 32, .heads = 4, .kv_heads = 2, .d_head = 8, .d_mlp = 48, .vocab = 60};

auto forward(eg::model<small, eg::reference> const& model, eg::batch const& tokens) {
#ifdef POLICY
    return model.run(tokens, POLICY);
#else
    return model.run(tokens);
#endif
}

#ifndef POLICY
#define POLICY eg::composed<>()
#endif

// The forward pass by itself: wherever it is inlined above, its functions are in the object file too.
using hooks = std::conditional_t<std::is_same_v<std::remove_const_t<decltype(POLICY)>, eg::composed<>>,
                                 eg::detail::no_hooks, eg::detail::hooks<eg::reference>>;
template class eg::detail::forward_pass<small, eg::reference, hooks>;
