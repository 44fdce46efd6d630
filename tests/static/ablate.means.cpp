#include "models.hpp"

// Means of another site.
#ifdef ENGRAFT_CONTROL
auto ablate_heads(small_model const& model, eg::batch const& tokens, run_of<small_model, eg::sites::z> const& runs) {
    return model.run(tokens, eg::ablate(eg::z, eg::everywhere, eg::mean(runs, eg::z)));
}
#else
// [refused]
auto ablate_heads(small_model const& model, eg::batch const& tokens, run_of<small_model, eg::sites::q> const& runs) {
    return model.run(tokens, eg::ablate(eg::z, eg::everywhere, eg::mean(runs, eg::q)));
}
// [/refused]
#endif
