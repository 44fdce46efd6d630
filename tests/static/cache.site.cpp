#include "models.hpp"

// The source run did not keep z.
#ifdef ENGRAFT_CONTROL
auto swap_heads(small_model const& target, eg::batch const& tokens, run_of<small_model, eg::sites::z> const& source) {
    return target.run(tokens, eg::swap(eg::z, eg::everywhere, source));
}
#else
// [refused]
auto swap_heads(small_model const& target, eg::batch const& tokens, run_of<small_model, eg::sites::attn_out> const& source) {
    return target.run(tokens, eg::swap(eg::z, eg::everywhere, source));
}
// [/refused]
#endif
