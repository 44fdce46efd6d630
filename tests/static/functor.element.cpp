#include "models.hpp"

// What is called with a row has to take one. Each marked line is refused like the first.
auto halve(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::edit(eg::z, eg::layer(1), [](auto row) { row *= 0.5; }));
#else
    // [refused]
    return model.run(tokens, eg::edit(eg::z, eg::layer(1), [](double x) { return x / 2; }));
    // [/refused]
#endif
}

#ifndef ENGRAFT_CONTROL
void others() {
    eg::edit(eg::z, eg::layer(1), [](float& x) { x = 0; });                                             // refused
    eg::edit(eg::z, eg::layer(1), [](double& x, eg::row_place const& at) { x = double(at.position); }); // refused
    eg::tap(eg::z, eg::layer(1), [](double const& x) { return x; });                                    // refused
    eg::layer(1) & eg::when([](float x) { return x > 1; });                                             // refused
}
#endif
