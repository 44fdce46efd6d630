#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/intervene/capture.hpp>
#include <engraft/intervene/means.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

struct mean_options {
    std::vector<role> roles{};              ///< positions with means of their own: see activation_means
    std::size_t at_once = 50;               ///< examples whose activations are held at one time
    std::function<void(double)> progress{}; ///< called with the share of the examples that is done
};

/// Means of a site over prompts, per head and distance from the last token (and per role): what "mean ablation" puts in
/// the place of an activation. Only `at_once` examples' activations are held at a time.
///
///     auto const means = mean_activations(model, prompts.noise_tokens, z);
///
/// throws bad_input for roles that do not fit the prompts
/// source Prakash et al. 2024, section 4.2: means over 500 prompts whose query label is a random letter
template <description const& D, class B, site S>
activation_means<D, B, S> mean_activations(model<D, B> const& m, batch const& tokens, S, mean_options const& o = {}) {
    for (auto const& r : o.roles)
        detail::places_of(r, tokens.rows());
    running_means<D, B, S> means;
    for (auto const part : parts_of_batch(tokens.examples(), o.at_once)) {
        means.add(m.run(part.of(tokens), capture(S{}), first_layers{D.layers}), part.of_each(o.roles));
        if (o.progress)
            o.progress(static_cast<double>(part.first + part.count) / static_cast<double>(tokens.examples()));
    }
    return means.finish();
}

} // namespace engraft
