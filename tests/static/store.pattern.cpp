#include "models.hpp"

// Attention patterns in a store: their rows are as wide as each prompt is long.
void store_patterns(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    eg::write_store(model, tokens, eg::capture(eg::z), "store");
#else
    // [refused]
    eg::write_store(model, tokens, eg::capture(eg::pattern), "store");
    // [/refused]
#endif
}
