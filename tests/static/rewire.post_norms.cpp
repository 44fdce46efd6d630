#include "models.hpp"

// What single heads write to the stream adds up only where attention's output passes no norm before it is added.
inline constexpr eg::description normed{
    .name = "normed", .layers = 2, .d_model = 32, .heads = 4, .kv_heads = 2, .d_head = 8, .d_mlp = 48, .vocab = 60,
#ifdef ENGRAFT_CONTROL
};
#else
    // [refused]
    .post_norms = true};
// [/refused]
#endif
auto cut(eg::model<normed, eg::reference> const& model, eg::batch const& tokens, std::vector<eg::edge> const& edges) {
    auto const noise = model.run(tokens, eg::capture(eg::z, eg::mlp_out));
    return model.run(tokens, eg::rewire(edges, model, noise));
}
