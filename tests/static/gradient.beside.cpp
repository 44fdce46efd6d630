#include "models.hpp"

using clean_for_gradients = decltype(std::declval<small_model const&>().run(
    std::declval<eg::batch const&>(), eg::capture_for_gradients<small_model::described>()));

#ifdef ENGRAFT_CONTROL
auto gradient_of(small_model const& model, clean_for_gradients const& clean, eg::metric const& of) {
    return eg::gradient_beside(model, clean, {{0, 1}}, eg::scale(eg::z, eg::everywhere, 2), of);
}
#else
// [refused]
auto gradient_of(small_model const& model, clean_for_gradients const& clean, eg::metric const& of) {
    return eg::gradient_beside(model, clean, {{0, 1}}, eg::capture(eg::z), of);
}
// [/refused]
#endif
