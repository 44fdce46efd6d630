#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <engraft/backend/attention_shape.hpp>
#include <engraft/circuit/attribution.hpp>
#include <engraft/core/rounded_product.hpp>

/// Attribution of queries and keys with the softmax done exactly ("QK fix"): what the other query or key makes of the
/// attention pattern is computed, and only what comes behind the pattern is linear. A saturated softmax has hardly any
/// gradient, so plain attribution misses what a patched query does.
/// source Kramar et al. 2024, "AtP*", section 3.1.1
namespace engraft {

namespace detail {

/// What scores are made of.
template <description const& D>
using scored_query = std::conditional_t<D.position == position::rope, sites::rot_q, sites::q>;
template <description const& D>
using scored_key = std::conditional_t<D.position == position::rope, sites::rot_k, sites::k>;

/// One layer's queries and keys on the host, and the scores that they make.
struct scored_layer {
    attention_shape shape;
    ragged const& rows;
    std::vector<double> queries, keys; ///< [rows, heads, width]

    double score(std::vector<double> const& q_rows, std::vector<double> const& k_rows, std::size_t e, std::size_t head,
                 std::size_t s, std::size_t t) const {
        auto const a = q_rows.data() + ((rows.begin(e) + s) * shape.heads + head) * shape.width;
        auto const b = k_rows.data() + ((rows.begin(e) + t) * shape.kv_heads + head / shape.group()) * shape.width;
        double sum = 0;
        for (std::size_t i = 0; i < shape.width; ++i)
            sum += rounded_product(a[i], b[i]);
        sum *= shape.scale;
        return shape.softcap > 0 ? shape.softcap * std::tanh(sum / shape.softcap) : sum;
    }
};

/// Softmax of scores, in place; returns the logarithm of the sum of their exponentials.
inline double to_pattern(std::vector<double>& line) {
    double const largest = *std::max_element(line.begin(), line.end());
    double sum = 0;
    for (double x : line)
        sum += std::exp(x - largest);
    double const log_sum = largest + std::log(sum);
    for (double& x : line)
        x = std::exp(x - log_sum);
    return log_sum;
}

inline double product(std::vector<double> const& a, double const* b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        sum += rounded_product(a[i], b[i]);
    return sum;
}

/// Attribution of what scores are made of, the other factor as it is in the clean run.
template <bool OfQueries, description const& D, class Backend>
attributions attribute_scored(model<D, Backend> const& m, batch const& clean, batch const& noise, metric const& of,
                              attribution_options const& options) {
    require_pairs(clean, noise);
    auto const& rows = clean.rows();
    constexpr int heads = OfQueries ? D.heads : D.kv_heads;
    attributions all{D.layers, heads, rows, {}, {}};
    all.values.resize(static_cast<std::size_t>(D.layers * heads) * rows.rows());
    using query = scored_query<D>;
    using key = scored_key<D>;
    auto const from = m.run(clean, capture_clean(query{}, key{}));
    auto const to = m.run(noise, capture_noise(query{}, key{}));
    auto const doubles = [](auto const& view) {
        auto const host = to_host(view);
        return std::vector<double>(host.begin(), host.end());
    };
    activation_layout<D, sites::pattern> const places(rows);
    auto const use = [&](auto const& found, double share) {
        for (int l = 0; l < D.layers; ++l) {
            auto const slopes = doubles(found[sites::pattern{}].whole(l));
            scored_layer const here{shape_of_attention<D>(l), rows, doubles(from[query{}].whole(l)),
                                    doubles(from[key{}].whole(l))};
            auto const other = OfQueries ? doubles(to[query{}].whole(l)) : doubles(to[key{}].whole(l));
            for (std::size_t e = 0; e < rows.examples(); ++e) {
                std::vector<double> changes(rows.length(e) * heads); // [positions, heads]
                for (std::size_t h = 0; h < here.shape.heads; ++h)
                    for (std::size_t s = 0; s < rows.length(e); ++s) {
                        auto const first = here.shape.first_visible(s);
                        auto const slope = slopes.data() + places.offset(e, s, h) + first;
                        std::vector<double> line, patched;
                        for (auto t = first; t < here.shape.end_visible(s, rows.length(e)); ++t) {
                            line.push_back(here.score(here.queries, here.keys, e, h, s, t));
                            patched.push_back(OfQueries ? here.score(other, here.keys, e, h, s, t)
                                                        : here.score(here.queries, other, e, h, s, t));
                        }
                        double const log_sum = to_pattern(line), before = product(line, slope);
                        if constexpr (OfQueries) {
                            to_pattern(patched);
                            changes[s * heads + h] += product(patched, slope) - before;
                        } else { // one score of the line changes, and all are divided by another sum
                            for (std::size_t i = 0; i < line.size(); ++i) {
                                double const p = std::exp(patched[i] - log_sum);
                                changes[(first + i) * heads + h / here.shape.group()] +=
                                    (before + rounded_product(p - line[i], slope[i])) / (1 + p - line[i]) - before;
                            }
                        }
                    }
                auto const at = all.values.data() + (static_cast<std::size_t>(l) * rows.rows() + rows.begin(e)) *
                                                        static_cast<std::size_t>(heads);
                for (std::size_t i = 0; i < changes.size(); ++i)
                    at[i] += rounded_product(share, options.drop ? std::abs(changes[i]) : changes[i]);
            }
        }
    };
    all.clean = each_gradient(m, clean, from, to, of, options, capture(sites::pattern{}), identity, use);
    return all;
}

} // namespace detail

/// The estimated change of the metric if one head's query at one position were the noise run's. heads: query heads
/// throws as `attribute`
template <description const& D, class Backend>
attributions attribute_queries(model<D, Backend> const& m, batch const& clean, batch const& noise, metric const& of,
                               attribution_options const& options = {}) {
    return detail::attribute_scored<true>(m, clean, noise, of, options);
}

/// The same of one head's key, which every later position reads. heads: key/value heads
template <description const& D, class Backend>
attributions attribute_keys(model<D, Backend> const& m, batch const& clean, batch const& noise, metric const& of,
                            attribution_options const& options = {}) {
    return detail::attribute_scored<false>(m, clean, noise, of, options);
}

} // namespace engraft
