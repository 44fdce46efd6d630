#include "models.hpp"

// A layer of the token embedding.
auto ablate_embedding(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::mlp_out, eg::layer(1)));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::embed, eg::layer(1)));
    // [/refused]
#endif
}
