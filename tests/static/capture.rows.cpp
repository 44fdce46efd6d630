#include "models.hpp"

// A capture whose places depend on the layer.
auto capture_some(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::capture(eg::z, eg::positions(0, 2)));
#else
    // [refused]
    return model.run(tokens, eg::capture(eg::z, eg::positions(0, 2) - eg::layer(1)));
    // [/refused]
#endif
}
