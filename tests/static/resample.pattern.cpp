#include "models.hpp"

// Another prompt's pattern is of another length.
auto resample(small_model const& model, eg::batch const& tokens,
              run_of<small_model, eg::sites::z, eg::sites::pattern> const& run) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::ablate(eg::z, eg::everywhere, eg::resample{run, 1}));
#else
    // [refused]
    return model.run(tokens, eg::ablate(eg::pattern, eg::everywhere, eg::resample{run, 1}));
    // [/refused]
#endif
}
