#include "models.hpp"

using clean_run = run_of<small_model, eg::sites::resid_pre, eg::sites::rot_k, eg::sites::v, eg::sites::z,
                         eg::sites::attn_out, eg::sites::mlp_out>;

struct bound_quiet {
    void apply(auto const&, auto) {}
    std::size_t fired() const { return 1; }
    std::vector<eg::selection const*> chosen() const { return {}; }
    std::vector<eg::row_slice> slices_of(std::size_t) const { return {}; }
};
struct quiet : eg::touches_nothing {
    using writes = eg::site_list<eg::sites::z>;
    template <eg::description const& D, class Backend>
    static constexpr void check() {}
    bound_quiet bind(auto const&) const { return {}; }
};

// A policy from nothing, which says not where it acts.
auto sweep_heads(small_model const& model, clean_run const& clean) {
#ifdef ENGRAFT_CONTROL
    return eg::sweep(model, clean, eg::each_head<small>(), [](eg::node n) { return eg::ablate(eg::z, eg::nodes({n})); },
                     {eg::probability({1, 2})});
#else
    // [refused]
    return eg::sweep(model, clean, eg::each_head<small>(),
                     [](eg::node n) { return eg::ablate(eg::z, eg::nodes({n})) | quiet{}; }, {eg::probability({1, 2})});
    // [/refused]
#endif
}
