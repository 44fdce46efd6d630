#include "models.hpp"

// A policy's parameters are asked for by its number.
auto of_second(small_model const& model, eg::batch const& tokens) {
    auto const found = eg::gradient(model, tokens, eg::scale(eg::z, eg::layer(1), 0.5), eg::identity, eg::logit({1}));
#ifdef ENGRAFT_CONTROL
    return found.parameters<0>();
#else
    // [refused]
    return found.parameters<1>();
    // [/refused]
#endif
}
