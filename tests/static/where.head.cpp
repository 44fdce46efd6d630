#include "models.hpp"

// The model's heads are 0 to 3.
auto ablate_head(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::z, eg::head_c<0, 3>));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::z, eg::head_c<0, 4>));
    // [/refused]
#endif
}
