#pragma once

#include <cstdint>
#include <vector>

#include <engraft/engraft.hpp>

/// SmolLM2-135M's shape with weights from a seed: what a run costs does not depend on what the weights are.
inline constexpr engraft::description smollm2{.name = "smollm2-135m",
                                              .layers = 30,
                                              .d_model = 576,
                                              .heads = 9,
                                              .kv_heads = 3,
                                              .d_head = 64,
                                              .d_mlp = 1536,
                                              .vocab = 49152,
                                              .rope_theta = 100000,
                                              .tied_unembedding = true};

/// Prompts of one length with tokens from a seed.
inline engraft::batch random_prompts(std::uint64_t seed, std::size_t count, std::size_t length) {
    engraft::random r(seed);
    std::vector<std::vector<engraft::token>> prompts(count);
    for (auto& p : prompts)
        for (std::size_t i = 0; i < length; ++i)
            p.push_back(static_cast<engraft::token>(r.below(static_cast<std::uint64_t>(smollm2.vocab))));
    return prompts;
}
