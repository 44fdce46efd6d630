#include "models.hpp"

// One site in two captures of one run.
auto capture_both(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::capture(eg::z, eg::layer(0)) | eg::capture(eg::q, eg::layer(1)));
#else
    // [refused]
    return model.run(tokens, eg::capture(eg::z, eg::layer(0)) | eg::capture(eg::z, eg::layer(1)));
    // [/refused]
#endif
}
