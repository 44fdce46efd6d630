#pragma once

// What the programs of bits.sh share: the model that they are compiled for, its prompts, and a line per result.

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <engraft/engraft.hpp>

namespace eg = engraft;

namespace bits {

inline constexpr eg::description pair{.name = "pair",
                                      .layers = 6,
                                      .d_model = 128,
                                      .heads = 8,
                                      .kv_heads = 8,
                                      .d_head = 16,
                                      .d_mlp = 192,
                                      .vocab = 755,
                                      .norm_eps = 1e-5};
inline constexpr eg::description smollm2{.name = "smollm2",
                                         .layers = 30,
                                         .d_model = 576,
                                         .heads = 9,
                                         .kv_heads = 3,
                                         .d_head = 64,
                                         .d_mlp = 1536,
                                         .vocab = 49152,
                                         .norm_eps = 1e-5,
                                         .rope_theta = 100000,
                                         .tied_unembedding = true};
inline constexpr eg::description gpt2{.name = "gpt2",
                                      .family = eg::family::gpt2,
                                      .layers = 3,
                                      .d_model = 40,
                                      .heads = 5,
                                      .kv_heads = 5,
                                      .d_head = 8,
                                      .d_mlp = 50,
                                      .vocab = 70,
                                      .norm = eg::norm::layer,
                                      .position = eg::position::learned,
                                      .positions = 96,
                                      .mlp = eg::mlp::gelu_tanh,
                                      .qkv_bias = true,
                                      .out_bias = true,
                                      .mlp_bias = true,
                                      .tied_unembedding = true};
inline constexpr eg::description gpt_neox{.name = "gpt_neox",
                                          .family = eg::family::gpt_neox,
                                          .layers = 3,
                                          .d_model = 40,
                                          .heads = 5,
                                          .kv_heads = 5,
                                          .d_head = 8,
                                          .d_mlp = 50,
                                          .vocab = 70,
                                          .norm = eg::norm::layer,
                                          .d_rotary = 4,
                                          .mlp = eg::mlp::gelu_tanh,
                                          .residual = eg::residual::parallel,
                                          .qkv_bias = true,
                                          .out_bias = true,
                                          .mlp_bias = true};
inline constexpr auto const& D = BITS_MODEL; // one of these

/// The model and one to swap with. folder: of the pair, or of a real model with its adapter; unused by the others,
/// whose weights come from a seed.
struct models {
    eg::model<D> base, tuned;
};
inline models load([[maybe_unused]] char** arguments) {
    if constexpr (&D == &pair) {
        std::string const folder = arguments[1];
        return {eg::load<D>(folder + "/base"), eg::load<D>(folder + "/tuned")};
    } else if constexpr (&D == &smollm2) {
        return {eg::load<D>(arguments[2]), eg::load<D>(arguments[2], eg::lora(arguments[3]))};
    } else {
        using cpu = eg::cpu<eg::fp32>;
        return {{eg::random_weights<D, cpu>(3), cpu()}, {eg::random_weights<D, cpu>(4), cpu()}};
    }
}

/// Prompts of several lengths, from a seed.
inline std::vector<std::size_t> const lengths{14, 21, 9, 21};
inline std::size_t const examples = lengths.size();
inline std::vector<std::vector<eg::token>> sequences(std::uint64_t seed, std::vector<std::size_t> const& of) {
    eg::random draw(seed);
    std::vector<std::vector<eg::token>> all;
    for (auto const length : of) {
        all.emplace_back();
        for (std::size_t i = 0; i < length; ++i)
            all.back().push_back(static_cast<eg::token>(draw.below(static_cast<std::uint64_t>(D.vocab))));
    }
    return all;
}
inline eg::batch const prompts = sequences(1, lengths), others = sequences(2, lengths);
inline std::vector<eg::token> const answers{3, 60, 17, 42}, wrong{4, 61, 18, 43};

/// Numbers from a seed, in [-1, 1].
inline std::vector<double> numbers(std::uint64_t seed, std::size_t count) {
    eg::random draw(seed);
    std::vector<double> all;
    for (std::size_t i = 0; i < count; ++i)
        all.push_back(static_cast<double>(draw.below(2001)) / 1000 - 1);
    return all;
}

/// One line: what it is, and a hash (FNV-1a) of the numbers' bits.
template <class Numbers>
void tell(std::string const& what, Numbers const& list) {
    std::uint64_t hash = 1469598103934665603u;
    for (auto const x : list)
        for (auto const byte : std::bit_cast<std::array<unsigned char, sizeof(x)>>(x))
            hash = (hash ^ byte) * 1099511628211u;
    std::printf("%-44s %016llx\n", (std::string(D.name) + " " + what).c_str(), static_cast<unsigned long long>(hash));
    std::fflush(stdout);
}

/// The logits of all rows, and how often each policy acted.
template <class Run>
void tell_run(std::string const& what, Run const& run) {
    tell("run " + what, run.logits().values().to_host());
    tell("fired " + what, run.fired());
}

/// All metrics of a sweep, and what it cost.
inline void tell_sweep(std::string const& what, eg::sweep_result const& found) {
    for (auto const& metric : found.metrics()) {
        tell("sweep " + what + " " + metric, found.of(metric));
        tell("clean " + what + " " + metric, found.clean(metric));
    }
}

} // namespace bits
