#include "models.hpp"

// Heads belong into the first where.
auto block(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::knockout(eg::head(1), eg::at(-1), eg::at(0)));
#else
    // [refused]
    return model.run(tokens, eg::knockout(eg::everywhere, eg::head(1) & eg::at(-1), eg::at(0)));
    // [/refused]
#endif
}
