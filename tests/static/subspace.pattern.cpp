#include "models.hpp"

// A pattern is as wide as its prompt is long.
auto project(small_model const& model, eg::batch const& tokens, std::vector<std::vector<double>> const& basis,
             run_of<small_model, eg::sites::z, eg::sites::pattern> const& source) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::subspace(eg::z, eg::everywhere, basis, source));
#else
    // [refused]
    return model.run(tokens, eg::subspace(eg::pattern, eg::everywhere, basis, source));
    // [/refused]
#endif
}
