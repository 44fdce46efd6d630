#include "models.hpp"

// A number is no policy.
#ifdef ENGRAFT_CONTROL
auto run(small_model const& model, eg::batch const& tokens) { return model.run(tokens, eg::identity); }
#else
// [refused]
auto run(small_model const& model, eg::batch const& tokens) { return model.run(tokens, 0.5); }
// [/refused]
#endif
