#include "models.hpp"

// Gradients are looked at, not changed.
auto changed(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return eg::gradient(model, tokens, eg::scale(eg::z, eg::layer(1), 0.5), eg::capture(eg::z), eg::logit({1}));
#else
    // [refused]
    return eg::gradient(model, tokens, eg::identity, eg::scale(eg::z, eg::layer(1), 0.5), eg::logit({1}));
    // [/refused]
#endif
}
