#include "models.hpp"

using clean_run = run_of<small_model, eg::sites::resid_pre, eg::sites::rot_k, eg::sites::v, eg::sites::z,
                         eg::sites::attn_out, eg::sites::mlp_out>;

// What a sweep would keep is of the rows that it computes only.
auto sweep_heads(small_model const& model, clean_run const& clean) {
#ifdef ENGRAFT_CONTROL
    return eg::sweep(model, clean, eg::each_head<small>(), [](eg::node n) { return eg::ablate(eg::z, eg::nodes({n})); },
                     {eg::probability({1, 2})});
#else
    // [refused]
    return eg::sweep(model, clean, eg::each_head<small>(),
                     [](eg::node n) { return eg::ablate(eg::z, eg::nodes({n})) | eg::capture(eg::resid_post); },
                     {eg::probability({1, 2})});
    // [/refused]
#endif
}
