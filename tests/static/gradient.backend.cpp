#include "models.hpp"

// A backend of one's own goes forwards before it goes back.
struct forwards_only : eg::reference {};

#ifdef ENGRAFT_CONTROL
using my_backend = eg::reference;
#else
using my_backend = forwards_only;
#endif

// [refused]
auto through_my_backend(eg::model<small, my_backend> const& model, eg::batch const& tokens) {
    return eg::gradient(model, tokens, eg::identity, eg::capture(eg::z), eg::logit({1}));
}
// [/refused]
