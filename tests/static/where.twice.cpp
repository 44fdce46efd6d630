#include "models.hpp"

// Layers given twice.
#ifdef ENGRAFT_CONTROL
auto place = eg::layer(0) & eg::head(1);
#else
// [refused]
auto place = eg::layer(0) & eg::layers(0, 2);
// [/refused]
#endif
