#include "models.hpp"

// The final norm is behind the last layer.
auto first_layer(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::capture(eg::resid_post), eg::first_layers{1});
#else
    // [refused]
    return model.run(tokens, eg::capture(eg::final_normalized), eg::first_layers{1});
    // [/refused]
#endif
}
