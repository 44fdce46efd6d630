#include "models.hpp"

// The library has no text that it could mean. Each marked line is refused like the first.
auto run(eg::loaded_model<small, eg::reference> const& model) {
#ifdef ENGRAFT_CONTROL
    return model.run(eg::batch::of(model.tokenizer().encode("The fork is in Box")));
#else
    // [refused]
    return model.run("The fork is in Box");
    // [/refused]
#endif
}

#ifndef ENGRAFT_CONTROL
void others(small_model const& model, std::string const& text, std::vector<eg::token> const& one) {
    model.run(text, eg::capture(eg::z));       // refused
    model.run(std::vector<std::string>{text}); // refused
    model.run(one).logits_at(-1);              // refused
    model.run(one, eg::capture(eg::z));        // refused
    model.run(7);                              // refused
}
#endif
