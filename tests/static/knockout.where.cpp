#include "models.hpp"

// Positions belong into the second and third where.
auto block(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::knockout(eg::head(1), eg::at(-1), eg::at(0)));
#else
    // [refused]
    return model.run(tokens, eg::knockout(eg::head(1) & eg::at(-1), eg::everywhere, eg::at(0)));
    // [/refused]
#endif
}
