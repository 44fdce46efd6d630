#pragma once

// The trained pair of examples/pair, which the code of the documentation loads.

#include <engraft/model/description.hpp>

inline constexpr engraft::description pair_model{
    .name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16, .d_mlp = 192, .vocab = 755};
