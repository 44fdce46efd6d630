#include "models.hpp"

// A mean over attention patterns, which are as wide as their example is long.
#ifdef ENGRAFT_CONTROL
auto mean_of(run_of<small_model, eg::sites::z> const& run) { return eg::mean(run, eg::z); }
#else
// [refused]
auto mean_of(run_of<small_model, eg::sites::pattern> const& run) { return eg::mean(run, eg::pattern); }
// [/refused]
#endif
