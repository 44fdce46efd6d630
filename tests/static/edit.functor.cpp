#include "models.hpp"

// What is called with a row has to take one.
auto halve(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::edit(eg::z, eg::layer(1), [](auto row) { row *= 0.5; }));
#else
    // [refused]
    return model.run(tokens, eg::edit(eg::z, eg::layer(1), [](std::vector<double>& row) { row[0] = 0; }));
    // [/refused]
#endif
}
