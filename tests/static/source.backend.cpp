#include "models.hpp"

// Activations of another backend.
using other_model = eg::model<small, eg::cpu<eg::fp32>>;
#ifdef ENGRAFT_CONTROL
auto swap_heads(small_model const& target, eg::batch const& tokens, run_of<small_model, eg::sites::z> const& source) {
    return target.run(tokens, eg::swap(eg::z, eg::everywhere, source));
}
#else
// [refused]
auto swap_heads(small_model const& target, eg::batch const& tokens, run_of<other_model, eg::sites::z> const& source) {
    return target.run(tokens, eg::swap(eg::z, eg::everywhere, source));
}
// [/refused]
#endif
