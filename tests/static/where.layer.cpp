#include "models.hpp"

// The model's layers are 0 and 1.
auto ablate_layer(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::attn_out, eg::layer_c<1>));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::attn_out, eg::layer_c<2>));
    // [/refused]
#endif
}
