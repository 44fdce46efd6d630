#include "models.hpp"

using clean_run = run_of<small_model, eg::sites::resid_pre, eg::sites::rot_k, eg::sites::v, eg::sites::z,
                         eg::sites::attn_out, eg::sites::mlp_out>;

// Sweeps take more than z from the clean run: capture_for_sweeps has all of it.
auto sweep_heads(small_model const& model, [[maybe_unused]] clean_run const& clean,
                 [[maybe_unused]] run_of<small_model, eg::sites::z> const& part) {
#ifdef ENGRAFT_CONTROL
    return eg::sweep(model, clean, eg::each_head<small>(), [](eg::node n) { return eg::ablate(eg::z, eg::nodes({n})); },
                     {eg::probability({1, 2})});
#else
    // [refused]
    return eg::sweep(model, part, eg::each_head<small>(), [](eg::node n) { return eg::ablate(eg::z, eg::nodes({n})); },
                     {eg::probability({1, 2})});
    // [/refused]
#endif
}
