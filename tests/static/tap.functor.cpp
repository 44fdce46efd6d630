#include "models.hpp"

// A tap looks and does not change: its rows are const.
auto look(small_model const& model, eg::batch const& tokens, double& first) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens,
                     eg::tap(eg::z, eg::layer(1), [&](eg::activation_row<double const> row) { first = row[0]; }));
#else
    // [refused]
    return model.run(tokens, eg::tap(eg::z, eg::layer(1), [&](eg::activation_row<double> row) { first = row[0]; }));
    // [/refused]
#endif
}
