#pragma once

// Laws of policies on random models, prompts and places. One source of this folder for a few families each, since
// every (family, backend, composition) is a forward pass of its own to compile.

#include "catch.hpp"
#include "random_models.hpp"

namespace properties {

/// Draws what a case needs.
class dice {
public:
    explicit dice(std::uint64_t seed) : random_(seed, 7) {}

    std::size_t below(std::size_t n) { return random_.below(n); }

    eg::batch prompts(std::vector<std::size_t> const& lengths, int vocab) {
        std::vector<std::vector<eg::token>> all;
        for (auto n : lengths) {
            all.emplace_back();
            for (std::size_t i = 0; i < n; ++i)
                all.back().push_back(static_cast<eg::token>(below(static_cast<std::size_t>(vocab))));
        }
        return all;
    }

    std::vector<std::size_t> lengths() {
        std::vector<std::size_t> drawn(1 + below(3));
        for (auto& n : drawn)
            n = 1 + below(9);
        return drawn;
    }

    /// At least one of 0 to n - 1, in any order.
    std::vector<int> some(int n) {
        auto const count = static_cast<std::size_t>(n);
        std::vector<int> chosen;
        for (auto i : random_.sample(count, 1 + below(count)))
            chosen.push_back(static_cast<int>(i));
        return chosen;
    }

    /// At least one position of each example.
    auto places(std::vector<std::size_t> const& lengths) {
        std::vector<std::vector<long>> each;
        for (auto n : lengths) {
            each.emplace_back();
            for (std::size_t i = 0; i <= below(n); ++i)
                each.back().push_back(static_cast<long>(below(2 * n)) - static_cast<long>(n));
        }
        return eg::at_each(std::move(each));
    }

private:
    eg::random random_;
};

/// Whether the patches of the case changed its logits.
template <eg::description const& D, class Backend>
bool check_case(std::uint64_t seed) {
    INFO("model " << std::string_view(D.name) << " on " << Backend::name() << ", seed " << seed);
    dice draw(seed);
    eg::model<D, Backend> const model(eg::random_weights<D, Backend>(seed)),
        foreign(eg::random_weights<D, Backend>(seed + 1000000));
    auto const lengths = draw.lengths();
    auto const prompts = draw.prompts(lengths, D.vocab), others = draw.prompts(lengths, D.vocab);
    auto const stream = eg::layers(draw.some(D.layers)) & draw.places(lengths);
    auto const heads = eg::layers(draw.some(D.layers)) & eg::heads(draw.some(D.heads)) & draw.places(lengths);
    auto const everything = eg::capture(eg::resid_pre, eg::pattern, eg::z, eg::attn_out, eg::mlp_out, eg::resid_post);

    auto const plain = logits_of(model.run(prompts));
    CHECK(logits_of(model.run(prompts, eg::identity | eg::identity)) == plain);
    auto const clean = model.run(prompts, everything), other = model.run(others, everything),
               abroad = foreign.run(others, everything);
    CHECK(logits_of(clean) == plain);

    // The stream is what it was, and attention's and the MLP's part; one after the other, so to the bit.
    bool sums = true;
    for (int layer = 0; layer < D.layers; ++layer)
        for (std::size_t e = 0; e < lengths.size(); ++e)
            for (long p = 0; p < static_cast<long>(lengths[e]); ++p) {
                auto const before = clean[eg::resid_pre].slice(layer, e, p),
                           after = clean[eg::resid_post].slice(layer, e, p),
                           attention = clean[eg::attn_out].slice(layer, e, p),
                           mlp = clean[eg::mlp_out].slice(layer, e, p);
                for (std::size_t i = 0; i < before.size(); ++i)
                    sums = sums && (before[i] + attention[i]) + mlp[i] == after[i];
            }
    CHECK(sums);

    // Of the run itself: nothing changes. Of another run: ablating first changes nothing of the patched run.
    auto const nowhere = eg::layers(std::vector<int>{}) & eg::heads({0}) & draw.places(lengths);
    auto const patches = [&](auto const& source, auto const& ablated) {
        return eg::may_not_fire(eg::ablate(eg::z, ablated)) | eg::patch(eg::z, heads, source) |
               eg::patch(eg::resid_pre, stream, source) | eg::patch(eg::attn_out, stream, source) |
               eg::patch(eg::mlp_out, stream, source) | eg::patch(eg::pattern, heads, source);
    };
    CHECK(logits_of(model.run(prompts, patches(clean, nowhere))) == plain);
    auto const patched = logits_of(model.run(prompts, patches(other, nowhere)));
    CHECK(logits_of(model.run(prompts, patches(other, heads))) == patched);

    // Another model's values, there and back, in both ways of writing it; z held at clean whatever becomes of the
    // queries; and masked by a weight of 1.
    auto const there =
        eg::ablate(eg::q, heads, 3) | eg::swap(eg::attn_out, stream, abroad) | eg::swap(eg::mlp_out, stream, abroad);
    auto const back = eg::swap(eg::attn_out, stream, clean) | eg::swap(eg::mlp_out, stream, clean);
    auto const kept = eg::freeze(eg::z, eg::everywhere, clean) | eg::mask(eg::resid_pre, stream, {1}, other);
    auto const left = (there | back) | kept;
    auto const right = there | (back | kept);
    static_assert(std::is_same_v<decltype(left), decltype(right)>);
    CHECK(logits_of(model.run(prompts, left)) == plain);
    CHECK(logits_of(model.run(prompts, right)) == plain);
    return patched != plain;
}

inline constexpr int cases_of_each = 64; ///< x 8 descriptions

template <eg::description const& D, class Backend>
void check_cases_on(std::uint64_t first) {
    int changed = 0;
    for (std::uint64_t seed = first; seed < first + cases_of_each; ++seed)
        changed += check_case<D, Backend>(seed);
    CHECK(changed > cases_of_each / 2); // the laws were not tested on runs that nothing changes
}

/// Cases on a backend, and on the other one in the preset long: a seed is a case.
template <eg::description const& D, class Backend>
void check_cases(std::uint64_t first) {
    check_cases_on<D, Backend>(first);
#ifdef ENGRAFT_LONG_TESTS
    using other = std::conditional_t<std::is_same_v<Backend, eg::reference>, eg::cpu<eg::fp32>, eg::reference>;
    check_cases_on<D, other>(first);
#endif
}

} // namespace properties
