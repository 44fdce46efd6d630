#include "models.hpp"

// A norm behind attention mixes what its heads write.
inline constexpr eg::description mixed{
    .name = "mixed",
    .layers = 2,
    .d_model = 32,
    .heads = 4,
    .kv_heads = 2,
    .d_head = 8,
    .d_mlp = 48,
    .vocab = 60,
#ifdef ENGRAFT_CONTROL
};
#else
    // [refused]
    .post_norms = true};
// [/refused]
#endif
auto edges(eg::model<mixed, eg::reference> const& model, eg::batch const& clean, eg::batch const& noise) {
    return eg::attribute_edges(model, clean, noise, eg::logit({1}));
}
