// Functors as kernels call them, those that are asked for: with MARKED as ENGRAFT_HOST_DEVICE nvcc takes this source, with
// nothing it must not.
#include <engraft/backend/cuda/adjoint.cuh>
#include <engraft/backend/cuda/cuda.cuh>

namespace eg = engraft;

using backend = eg::cuda<eg::fp32>;

#if defined(EDIT)
struct doubled {
    MARKED void operator()(auto row) const { row *= 2; }
};
void edit(backend const& b, float* x, backend::slices const& list) { b.edit_slices(x, 1, list, doubled{}); }
#endif

#if defined(WHEN)
struct is_positive {
    MARKED bool operator()(auto row) const { return row[0] > 0; }
};
void choose(backend const& b, float const* x, backend::slices const& list) { b.select_slices(x, 1, list, is_positive{}); }
#endif

#if defined(DERIVATIVE)
struct doubled_back {
    MARKED void derivative(auto dx, auto) const { dx *= 2; }
};
void edit_back(backend const& b, float* dx, float const* x, backend::slices const& list) {
    eg::adjoints<backend>(b).edit_slices(dx, x, 1, list, doubled_back{});
}
#endif
