#include "models.hpp"

// A pattern's elements are of another number in each prompt: nothing to take a head's difference in.
auto of_patterns(small_model const& model, eg::batch const& clean, eg::batch const& noise) {
#ifdef ENGRAFT_CONTROL
    return eg::attribute(model, clean, noise, eg::logit({1}), eg::z);
#else
    // [refused]
    return eg::attribute(model, clean, noise, eg::logit({1}), eg::pattern);
    // [/refused]
#endif
}
