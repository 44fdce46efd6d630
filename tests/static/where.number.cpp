#include "models.hpp"

using source_run = run_of<small_model, eg::sites::z>;

// Which of layers, heads and positions is meant by a number? Each marked line is refused like the first.
auto run(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::z, eg::layer(1)));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::z, 1));
    // [/refused]
#endif
}

#ifndef ENGRAFT_CONTROL
void others(source_run const& source, std::vector<double> const& numbers) {
    auto const f = [](auto row) { row *= 0.5; };
    eg::capture(eg::z, 1);                                   // refused
    eg::tap(eg::z, 1, f);                                    // refused
    eg::patch(eg::z, 1, source);                             // refused
    eg::patch(eg::z, 1, source, eg::z);                      // refused
    eg::swap(eg::z, 1, source);                              // refused
    eg::freeze(eg::z, 1, source);                            // refused
    eg::subspace(eg::z, 1, {numbers}, source);               // refused
    eg::mask(eg::z, 1, {0.5}, source);                       // refused
    eg::ablate(eg::z, -1, 2.0);                              // refused
    eg::steer(eg::z, 1, numbers, 2);                         // refused
    eg::scale(eg::z, 1, 0.5);                                // refused
    eg::edit(eg::z, 1, f);                                   // refused
    eg::mask_directions(eg::z, 1, {numbers}, {0.5}, source); // refused
    eg::knockout(1, eg::at(-1), eg::at(0));                  // refused
    eg::knockout(eg::layer(1), -1, eg::at(0));               // refused
    eg::knockout(eg::layer(1), -1, 0);                       // refused
}
#endif
