#include "models.hpp"

// A patch from a run of another description.
#ifdef ENGRAFT_CONTROL
auto patch_heads(small_model const& target, eg::batch const& tokens, run_of<small_model, eg::sites::z> const& source) {
    return target.run(tokens, eg::patch(eg::z, eg::everywhere, source));
}
#else
// [refused]
auto patch_heads(small_model const& target, eg::batch const& tokens, run_of<large_model, eg::sites::z> const& source) {
    return target.run(tokens, eg::patch(eg::z, eg::everywhere, source));
}
// [/refused]
#endif
