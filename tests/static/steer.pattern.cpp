#include "models.hpp"

// A pattern is as wide as its prompt is long.
auto add(small_model const& model, eg::batch const& tokens, std::vector<double> const& direction) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::steer(eg::resid_post, eg::everywhere, direction));
#else
    // [refused]
    return model.run(tokens, eg::steer(eg::pattern, eg::everywhere, direction));
    // [/refused]
#endif
}
