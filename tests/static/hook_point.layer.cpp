#include "models.hpp"

// The model's layers are 0 and 1.
#ifdef ENGRAFT_CONTROL
auto point = eg::hook_point<small, eg::sites::z>::at<1>();
#else
// [refused]
auto point = eg::hook_point<small, eg::sites::z>::at<2>();
// [/refused]
#endif
