#pragma once

#include <engraft/engraft.hpp>

namespace eg = engraft;

inline constexpr eg::description small{
    .name = "small", .layers = 2, .d_model = 32, .heads = 4, .kv_heads = 2, .d_head = 8, .d_mlp = 48, .vocab = 60};
inline constexpr eg::description large{
    .name = "large", .layers = 3, .d_model = 64, .heads = 8, .kv_heads = 8, .d_head = 8, .d_mlp = 96, .vocab = 60};

using small_model = eg::model<small, eg::reference>;
using large_model = eg::model<large, eg::reference>;

/// What a run that captured these sites returns.
template <class Model, eg::site... S>
using run_of = eg::run_output<Model::described, typename Model::backend_type, eg::site_list<S...>>;
