// The code of docs/how_to/write_your_own_policy.md: a policy outside the library.

#include <algorithm>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

// [operation]
namespace mine {

/// Every element is kept between two bounds.
struct clamped : eg::operation_in_place { // needs nothing from another activation
    double low, high;

    clamped(double l, double h) : low(l), high(h) {}

    /// What a sweep's journal knows it by.
    void add_to(eg::hasher& h) const { h.add(low).add(high); }

    /// What types can tell: static_asserts about the site, before anything is compiled for it.
    template <eg::description const& D, class Backend, eg::site S>
    static constexpr void check() {
        static_assert(S::kind != eg::site_kind::pattern, "clamp is not for attention patterns: they must sum to 1");
    }

    /// What values can tell: called once per run, before anything is computed.
    template <eg::site S, class Binding, class Where>
    clamped bind(Binding const&, Where const&, eg::selection const&) const {
        if (!(low <= high))
            throw eg::bad_input("clamp needs a lower bound that is not above the upper one");
        return *this;
    }

    /// What it does to the slices of a layer. `elements` is the whole activation, in the backend's memory.
    template <class Backend, class T, class List>
    void operator()(Backend const& backend, T* elements, int layer, List const& slices) const {
        backend.edit_slices(elements, layer, slices, [l = T(low), h = T(high)](eg::activation_row<T> row) {
            for (auto& x : row)
                x = std::min(std::max(x, l), h);
        });
    }
};

/// clamp(site, where, low, high)
template <eg::site S, class Where>
auto clamp(S, Where where, double low, double high) {
    return eg::slice_policy<eg::touch::writes, S, Where, clamped>(std::move(where), clamped(low, high));
}

} // namespace mine
// [/operation]

namespace {
inline constexpr eg::description small{
    .name = "small", .layers = 2, .d_model = 32, .heads = 4, .kv_heads = 2, .d_head = 8, .d_mlp = 48, .vocab = 60};
} // namespace

TEST_CASE("a policy of one's own") {
    eg::model<small> const model(eg::random_weights<small, eg::model<small>::backend_type>(1));
    eg::batch const tokens({{1, 2, 3}, {4, 5}});

    // [use]
    auto const where = eg::layer(0) & eg::heads({1, 2}) & eg::at(-1);
    auto const run = model.run(tokens, mine::clamp(eg::z, where, -0.1, 0.1) | eg::capture(eg::z));
    // [/use]
    auto const clean = model.run(tokens, eg::capture(eg::z));
    CHECK(run.fired()[0] == 4);
    bool reached = false;
    for (std::size_t e = 0; e < 2; ++e)
        for (std::size_t h = 0; h < 4; ++h) {
            auto expected = clean[eg::z].slice(0, e, -1, h);
            if (h == 1 || h == 2)
                for (auto& x : expected) {
                    reached = reached || std::abs(x) > 0.1f;
                    x = std::clamp(x, -0.1f, 0.1f);
                }
            CHECK(run[eg::z].slice(0, e, -1, h) == expected);
        }
    CHECK(reached);
    CHECK_THROWS_AS(model.run(tokens, mine::clamp(eg::z, where, 1, -1)), eg::bad_input);
}
