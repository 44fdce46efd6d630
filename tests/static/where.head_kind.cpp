#include "models.hpp"

// Query heads at a site that has key/value heads, of which there are fewer.
auto ablate_head(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::v, eg::kv_head(1)));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::v, eg::head(1)));
    // [/refused]
#endif
}
