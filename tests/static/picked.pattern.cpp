#include "models.hpp"

// Another prompt's pattern is of another length.
auto pick(small_model const& model, eg::batch const& tokens,
          run_of<small_model, eg::sites::z, eg::sites::pattern> const& run) {
    std::vector<std::size_t> const examples(tokens.examples(), 0);
#ifdef ENGRAFT_CONTROL
    return model.run(tokens, eg::mask(eg::z, eg::everywhere, {0.5}, eg::picked(eg::z, run, examples)));
#else
    // [refused]
    return model.run(tokens, eg::mask(eg::pattern, eg::everywhere, {0.5}, eg::picked(eg::pattern, run, examples)));
    // [/refused]
#endif
}
