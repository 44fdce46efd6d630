#include "models.hpp"

// Means of another site.
#ifdef ENGRAFT_CONTROL
using means = eg::activation_means<small, eg::reference, eg::sites::z>;
#else
using means = eg::activation_means<small, eg::reference, eg::sites::q>;
#endif
auto ablate_heads(small_model const& model, eg::batch const& tokens, means const& of_other) {
    return model.run(tokens, eg::ablate(eg::z, eg::everywhere, of_other));
}
