#include "models.hpp"

// All of z is held, and all of z is ablated.
auto hold(small_model const& model, eg::batch const& tokens, run_of<small_model, eg::sites::z> const& clean) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::freeze(eg::z, eg::everywhere, clean) | eg::ablate(eg::mlp_out, eg::everywhere));
#else
    // [refused]
    return model.run(tokens, eg::freeze(eg::z, eg::everywhere, clean) | eg::ablate(eg::z, eg::everywhere));
    // [/refused]
#endif
}
