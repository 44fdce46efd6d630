#include "models.hpp"

using source_run = run_of<small_model, eg::sites::z>;

// A site is named by a value. Each marked line is refused like the first.
auto run(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::capture(eg::z, eg::layer(1)));
#else
    // [refused]
    return model.run(tokens, eg::capture("blocks.1.attn.hook_z"));
    // [/refused]
#endif
}

#ifndef ENGRAFT_CONTROL
auto others(source_run const& source, std::string const& name, std::vector<double> const& numbers) {
    auto const where = eg::layer(1) & eg::at(-1);
    auto const f = [](auto row) { row *= 0.5; };
    eg::capture(name);                                         // refused
    eg::capture("z", where);                                   // refused
    eg::tap("z", where, f);                                    // refused
    eg::patch("z", where, source);                             // refused
    eg::swap("z", where, source);                              // refused
    eg::freeze("z", where, source);                            // refused
    eg::subspace("z", where, {numbers}, source);               // refused
    eg::mask("z", where, {0.5}, source);                       // refused
    eg::ablate("z", where);                                    // refused
    eg::ablate(name, where, 1.0);                              // refused
    eg::steer("z", where, numbers, 2);                         // refused
    eg::scale("z", where, 0.5);                                // refused
    eg::edit("z", where, f);                                   // refused
    eg::mask_directions("z", where, {numbers}, {0.5}, source); // refused
    eg::picked("z", source, {0});                              // refused
    eg::receivers("q", {{1, 0}}, {"last", {-1}, {}});          // refused
    eg::mean(source, "z");                                     // refused
    return source["z"].slice(0, 0, 0, 0);                      // refused
}
#endif
