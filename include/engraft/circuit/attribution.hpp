#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/integer.hpp>
#include <engraft/core/rounded_product.hpp>
#include <engraft/intervene/freeze.hpp>
#include <engraft/intervene/mask.hpp>
#include <engraft/run/adjoint.hpp>
#include <engraft/run/sweep.hpp>

/// Attribution: what patching each activation from a noise run would do to a metric, to first order, for all of them by
/// a few backward passes. It ranks what is worth patching exactly.
namespace engraft {

struct attribution_options {
    /// Where the metric is read: one position per example, its last one where none is given.
    std::vector<long> read_at{};
    /// 0: the gradient of the clean run. m: the mean of m gradients, of runs whose embeddings are noise + k / m
    /// (clean - noise), k = 1 ... m, which sees saturation that the clean run's gradient does not (integrated
    /// gradients). source Sundararajan et al. 2017; Hanna et al. 2024, "Have Faith in Faithfulness", section 3.2
    int steps = 0;
    /// One backward pass per layer, that layer's attention and MLP held so that nothing goes back through them, and the
    /// mean of the estimates' sizes over the other layers: effects that cancel do not hide each other (GradDrop).
    /// Scores are sizes then, never negative. source Kramar et al. 2024, "AtP*", section 3.1.2, equation 11
    bool drop = false;
    /// Called with the share of the work that is done, from 0 to 1.
    std::function<void(double)> progress{};
};

/// The estimated change of the metric if one head of one row (one row, where the site has no heads) were patched.
struct attributions {
    int layers = 0;
    int heads = 0;
    ragged rows;
    std::vector<double> values; ///< [layers, rows, heads]
    std::vector<double> clean;  ///< the metric of each example in the clean run

    /// throws bad_input and its family when there is no such layer, example, position or head
    double at(integer layer, integer example, integer position, integer head) const {
        auto const l = layer.below(static_cast<std::size_t>(layers), "layer");
        auto const h = head.below(static_cast<std::size_t>(heads), "head");
        auto const p = rows.position(example, position);
        return values[index(static_cast<int>(l), rows.begin(static_cast<std::size_t>(example.value())) + p,
                            static_cast<int>(h))];
    }
    /// The same where the site has no heads. throws bad_input where it has several
    double at(integer layer, integer example, integer position) const {
        if (heads != 1)
            throw bad_input({"engraft [slice.head]: there are ", heads,
                             " heads; name one, as in at(layer, example, "
                             "position, head)"});
        return at(layer, example, position, 0);
    }

    /// Summed over all positions of each example, and over the examples. shape [layers, heads]
    std::vector<double> over_positions() const {
        std::vector<double> sums(static_cast<std::size_t>(layers * heads));
        for (int l = 0; l < layers; ++l)
            for (std::size_t r = 0; r < rows.rows(); ++r)
                for (int h = 0; h < heads; ++h)
                    sums[static_cast<std::size_t>(l * heads + h)] += values[index(l, r, h)];
        return sums;
    }

    /// Summed over the examples, at a role's positions. shape [layers, heads]
    /// throws bad_input when the role is not of this batch
    std::vector<double> at_role(role const& where) const {
        std::vector<double> sums(static_cast<std::size_t>(layers * heads));
        for (auto const& place : detail::places_of(where, rows))
            for (int l = 0; l < layers; ++l)
                for (int h = 0; h < heads; ++h)
                    sums[static_cast<std::size_t>(l * heads + h)] +=
                        values[index(l, rows.begin(place.example) + place.position, h)];
        return sums;
    }

private:
    std::size_t index(int layer, std::size_t row, int head) const {
        return (static_cast<std::size_t>(layer) * rows.rows() + row) * static_cast<std::size_t>(heads) +
               static_cast<std::size_t>(head);
    }
};

namespace detail {

inline void require_pairs(batch const& clean, batch const& noise) {
    if (!(clean.rows() == noise.rows()))
        throw bad_input("engraft [attribution.pairs]: a clean prompt and its noise prompt must be equally long: what "
                        "stands at a position is exchanged with what stands there in the other");
}

/// Sites, and more that are not among them.
template <class Sites, site... More>
using and_sites = join<Sites, std::conditional_t<Sites::template contains<More>, site_list<>, site_list<More>>...>;

/// What `each_gradient` needs of the clean run and of the noise run, besides other sites.
template <site... S>
auto capture_clean(S...) {
    return capture_all(and_sites<site_list<S...>, sites::attn_out, sites::mlp_out>{});
}
template <site... S>
auto capture_noise(S...) {
    return capture_all(and_sites<site_list<S...>, sites::embed>{});
}

/// Calls use(gradients, share of the result) for each gradient that the options ask for: of the run whose embeddings
/// are between those of the noise and the clean one, with nothing going back through a layer. One policy does all, at
/// a weight of 1 and with no layer where it does nothing, so that one kind of pass is compiled.
/// seen: which of the run's activations `use` needs besides, as captures. Returns the clean run's metric.
template <description const& D, class Backend, class Clean, class Noise, class Wanted, class Seen, class Use>
std::vector<double> each_gradient(model<D, Backend> const& m, batch const& tokens, Clean const& clean,
                                  Noise const& noise, metric const& of, attribution_options const& options,
                                  Wanted const& wanted, Seen const& seen, Use const& use) {
    if (options.steps < 0)
        throw bad_input(
            {"engraft [attribution.steps]: ", options.steps, " steps; give 0 for the clean run's gradient"});
    if (options.drop && options.steps > 0)
        throw bad_input("engraft [attribution.steps]: steps and drop are two methods; choose one");
    std::vector<double> values;
    int const count = options.drop ? D.layers : std::max(options.steps, 1);
    for (int i = 0; i < count; ++i) { // the last of the steps is the clean run
        auto const dropped = layers(options.drop ? std::vector<int>{i} : std::vector<int>{});
        double const weight = options.steps > 0 ? double(i + 1) / options.steps : 1.0;
        auto const found = gradient(
            m, tokens,
            may_not_fire(freeze(sites::attn_out{}, dropped, clean) | freeze(sites::mlp_out{}, dropped, clean)) |
                mask(sites::embed{}, everywhere, {weight}, noise) | seen,
            wanted, of, {.read_at = options.read_at, .weights = {}});
        use(found, 1.0 / (options.drop ? std::max(D.layers - 1, 1) : count));
        values = found.values();
        if (options.progress)
            options.progress(double(i + 1) / count);
    }
    return values;
}

} // namespace detail

/// Attribution patching: for each head of each row of a site, the gradient times what the noise run has there less what
/// the clean run has. noise: prompts as long as the clean ones, pair by pair.
///
///     auto const found = attribute(model, clean, noise, logit_difference(answers, others), z);
///     found.over_positions();   // [layers, heads]
///
/// throws bad_input for prompts of unequal length, and as `gradient`
/// source Nanda 2023, "Attribution Patching"; Kramar et al. 2024, equation 2
template <description const& D, class Backend, site S>
attributions attribute(model<D, Backend> const& m, batch const& clean, batch const& noise, metric const& of, S,
                       attribution_options const& options = {}) {
    static_assert(
        S::in_block && S::kind != site_kind::pattern,
        "engraft [attribution.site]: attribution is of activations in blocks that are not attention patterns; "
        "see attribute_queries and attribute_keys for what patterns depend on");
    detail::require_pairs(clean, noise);
    attributions all{hook_point<D, S>::layers, site_heads<D, S>, clean.rows(), {}, {}};
    auto const from = m.run(clean, detail::capture_clean(S{}));
    auto const to = m.run(noise, detail::capture_noise(S{}));
    constexpr auto width = site_width<D, S>;
    all.values.resize(static_cast<std::size_t>(all.layers * all.heads) * clean.rows().rows());
    all.clean = detail::each_gradient(m, clean, from, to, of, options, capture(S{}), identity,
                                      [&](auto const& found, double share) {
                                          std::size_t at = 0;
                                          for (int l = 0; l < all.layers; ++l) {
                                              auto const slope = to_host(found[S{}].whole(l)),
                                                         a = to_host(from[S{}].whole(l)), b = to_host(to[S{}].whole(l));
                                              for (std::size_t i = 0; i < slope.size(); i += width, ++at) {
                                                  double sum = 0;
                                                  for (std::size_t c = i; c < i + width; ++c)
                                                      sum += rounded_product(double(slope[c]), double(b[c]) - double(a[c]));
                                                  all.values[at] += rounded_product(share, options.drop ? std::abs(sum) : sum);
                                              }
                                          }
                                      });
    return all;
}

} // namespace engraft
