#include "models.hpp"

// No position sees any position.
auto blind(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::knockout(eg::layer(1), eg::at(-1), eg::at(0)));
#else
    // [refused]
    return model.run(tokens, eg::knockout(eg::layer(1), eg::at(-1), eg::everywhere));
    // [/refused]
#endif
}
