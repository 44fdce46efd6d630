#include "models.hpp"

// The stream has 32 elements.
auto add(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::steer(eg::resid_post, eg::everywhere, std::array<double, 32>{1}));
#else
    // [refused]
    return model.run(tokens, eg::steer(eg::resid_post, eg::everywhere, std::array<double, 8>{1}));
    // [/refused]
#endif
}
