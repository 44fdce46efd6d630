#include "models.hpp"

// A head of the residual stream.
auto ablate_head(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::result, eg::head(1)));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::resid_post, eg::head(1)));
    // [/refused]
#endif
}
