#include "models.hpp"

// All heads of a row, as if they were one.
auto last_of_z(run_of<small_model, eg::sites::z> const& run) {
#ifdef ENGRAFT_CONTROL
    return run[eg::z].slice(1, 0, -1, 3);
#else
    // [refused]
    return run[eg::z].slice(1, 0, -1);
    // [/refused]
#endif
}
