#include "models.hpp"

// A capture of one head.
auto capture_head(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::capture(eg::z, eg::layer(1)));
#else
    // [refused]
    return model.run(tokens, eg::capture(eg::z, eg::head(1)));
    // [/refused]
#endif
}
