#include "models.hpp"

// Half a model has no logits.
auto logits_of(small_model const& model, eg::batch const& tokens) {
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::capture(eg::z)).logits_at(-1);
#else
    // [refused]
    return model.run(tokens, eg::capture(eg::z), eg::first_layers{1}).logits_at(-1);
    // [/refused]
#endif
}
