#include "models.hpp"

// Four query heads can't share three key/value heads.
inline constexpr eg::description uneven{
#ifdef ENGRAFT_CONTROL
    .name = "uneven", .layers = 2, .d_model = 32, .heads = 4, .kv_heads = 2, .d_head = 8, .d_mlp = 48, .vocab = 60};
#else
    // [refused]
    .name = "uneven", .layers = 2, .d_model = 32, .heads = 4, .kv_heads = 3, .d_head = 8, .d_mlp = 48, .vocab = 60};
    // [/refused]
#endif
auto run(eg::model<uneven, eg::reference> const& model, eg::batch const& tokens) { return model.run(tokens); }
