#include <memory>

#include "../../bench/counting_launch.hpp"
#include "models.hpp"

using cuda_model = eg::model<small, bench::counting<eg::fp32>>;

// A functor goes to the GPU as it is, byte by byte.
#ifdef ENGRAFT_CONTROL
struct scaled_by {
    float factor;
    ENGRAFT_HOST_DEVICE void operator()(auto row) const { row *= factor; }
};
#else
// [refused]
struct scaled_by {
    std::shared_ptr<float> factor;
    ENGRAFT_HOST_DEVICE void operator()(auto row) const { row *= *factor; }
};
// [/refused]
#endif
auto scale(cuda_model const& model, eg::batch const& tokens, scaled_by const& f) {
    return model.run(tokens, eg::edit(eg::z, eg::layer(1), f));
}
