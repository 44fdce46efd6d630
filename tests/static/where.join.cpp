#include "models.hpp"

// | joins policies. Each marked line is refused like the first.
auto run(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::z, eg::layer(1) & eg::head(1)));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::z, eg::layer(1) | eg::head(1)));
    // [/refused]
#endif
}

#ifndef ENGRAFT_CONTROL
auto and_sign = eg::layer(1) && eg::head(1);                                                // refused
auto or_sign = eg::layer(1) || eg::head(1);                                                 // refused
auto plus = eg::layer(1) + eg::layer(0);                                                    // refused
auto of_exception = (eg::everywhere - eg::head(0)) | eg::layer(1);                          // refused
auto condition = eg::layer(1) & eg::when([](auto row) { return row[0] > 1; }) | eg::at(-1); // refused
auto behind = eg::capture(eg::z) | eg::layer(1);                                            // refused
auto before = eg::layer(1) | eg::capture(eg::z);                                            // refused
#endif
