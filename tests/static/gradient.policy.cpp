#include "models.hpp"

struct halved {
    template <class T>
    void operator()(eg::activation_row<T> row) const {
        row *= T(0.5);
    }
#ifdef ENGRAFT_CONTROL
    template <class T>
    void derivative(eg::activation_row<T> gradient, eg::activation_row<T const>) const {
        gradient *= T(0.5);
    }
#endif
};

// What changes activations has a derivative.
// [refused]
auto through_an_edit(small_model const& model, eg::batch const& tokens) {
    return eg::gradient(model, tokens, eg::edit(eg::z, eg::layer(1), halved{}), eg::capture(eg::resid_pre),
                        eg::logit({1}));
}
// [/refused]
