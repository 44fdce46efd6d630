#include "models.hpp"

// Tokens have no activations yet. Each marked line is refused like the first.
auto run(small_model const& model, eg::batch const& tokens, eg::batch const& others) {
#ifdef ENGRAFT_CONTROL
    auto const source = model.run(others, eg::capture(eg::z));
    return model.run(tokens, eg::patch(eg::z, eg::layer(1), source));
#else
    // [refused]
    return model.run(tokens, eg::patch(eg::z, eg::layer(1), others));
    // [/refused]
#endif
}

#ifndef ENGRAFT_CONTROL
void more(small_model const& model, eg::batch const& tokens, std::vector<double> const& numbers) {
    auto const where = eg::layer(1) & eg::at(-1);
    eg::patch(eg::resid_post, where, tokens, eg::resid_pre);     // refused
    eg::patch(eg::z, where, model);                              // refused
    eg::patch(eg::z, where, numbers);                            // refused
    eg::swap(eg::z, where, tokens);                              // refused
    eg::freeze(eg::z, where, tokens);                            // refused
    eg::subspace(eg::z, where, {numbers}, tokens);               // refused
    eg::mask(eg::z, where, {0.5}, tokens);                       // refused
    eg::mask_directions(eg::z, where, {numbers}, {0.5}, tokens); // refused
    eg::picked(eg::z, tokens, {0});                              // refused
    eg::mean(tokens, eg::z);                                     // refused
}
#endif
