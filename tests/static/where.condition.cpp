#include "models.hpp"

// The condition is called with a whole row, not with an element.
auto ablate_large(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::z, eg::layer(1) & eg::when([](auto row) { return row[0] > 1; })));
#else
    // [refused]
    return model.run(
        tokens, eg::ablate(eg::z, eg::layer(1) & eg::when([](std::vector<double> const& row) { return row[0] > 1; })));
    // [/refused]
#endif
}
