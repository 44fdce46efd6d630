#include "models.hpp"

// A contribution is not the stream that it is added to.
auto replace(small_model const& model, eg::batch const& tokens,
             run_of<small_model, eg::sites::attn_out, eg::sites::resid_pre> const& source) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::patch(eg::resid_post, eg::everywhere, source, eg::resid_pre));
#else
    // [refused]
    return model.run(tokens, eg::patch(eg::resid_post, eg::everywhere, source, eg::attn_out));
    // [/refused]
#endif
}
