#pragma once

#include <engraft/model/description.hpp>

/// The trained pair that lies beside this file: base and tuned are two checkpoints of it.
inline constexpr engraft::description pair_model{
    .name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16,
    .d_mlp = 192, .vocab = 755, .norm_eps = 1e-5, .rope_theta = 10000};
