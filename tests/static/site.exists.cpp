#include "models.hpp"

// A site that no forward pass reaches.
struct after_all : eg::sites::base<after_all, eg::site_kind::stream, eg::site_rows::last> {
    static constexpr char const* name = "after_all";
};
auto capture_it(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::capture(eg::resid_post));
#else
    // [refused]
    return model.run(tokens, eg::capture(after_all{}));
    // [/refused]
#endif
}
