#include "models.hpp"

// An int does not compute.
#ifdef ENGRAFT_CONTROL
auto rows = sizeof(eg::model<small, eg::reference>);
#else
// [refused]
auto rows = sizeof(eg::model<small, int>);
// [/refused]
#endif
