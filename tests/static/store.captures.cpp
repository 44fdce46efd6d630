#include "models.hpp"

// A store of a policy that captures nothing.
void store_nothing(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    eg::write_store(model, tokens, eg::ablate(eg::z, eg::layer(1)) | eg::capture(eg::z), "store");
#else
    // [refused]
    eg::write_store(model, tokens, eg::ablate(eg::z, eg::layer(1)), "store");
    // [/refused]
#endif
}
