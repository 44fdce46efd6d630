#pragma once

// Small models with weights from a seed, for tests that hold for any weights.

#include <vector>

#include <boost/hana/for_each.hpp>

#include <engraft/engraft.hpp>

namespace eg = engraft;

inline constexpr eg::description grouped{
    .name = "grouped", .layers = 3, .d_model = 32, .heads = 4, .kv_heads = 2, .d_head = 8, .d_mlp = 48, .vocab = 67};

template <class Backend>
eg::model<grouped, Backend> random_model(std::uint64_t seed, Backend const& backend = Backend{}) {
    return {eg::random_weights<grouped, Backend>(seed, backend), backend};
}

/// Prompts of the given lengths.
inline eg::batch random_prompts(std::uint64_t seed, std::vector<std::size_t> const& lengths) {
    eg::random r(seed, 99);
    std::vector<std::vector<eg::token>> prompts;
    for (auto n : lengths) {
        prompts.emplace_back();
        for (std::size_t i = 0; i < n; ++i)
            prompts.back().push_back(static_cast<eg::token>(r.below(static_cast<std::uint64_t>(grouped.vocab))));
    }
    return prompts;
}

/// All logits of a run, on the host: equal to the bit or not.
template <class Run>
auto logits_of(Run const& run) {
    return run.logits().values().to_host();
}

template <class T>
double largest_difference(std::vector<T> const& a, std::vector<T> const& b) {
    if (a.size() != b.size())
        return std::numeric_limits<double>::infinity();
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        largest = std::max(largest, std::abs(double(a[i]) - double(b[i])));
    return largest;
}
