// Prints hashes of the bits of a forward pass, a sweep, and gradients with respect to an activation and to a policy's
// weights, for a model with RMS norm and gated MLPs and for one with layer norm, GELU and biases. The program is compiled
// in several ways, and each must print the same.
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/engine.hpp>

namespace eg = engraft;

inline constexpr eg::description small{.name = "small", .layers = 3, .d_model = 40, .heads = 6, .kv_heads = 2,
                                       .d_head = 10, .d_mlp = 50, .vocab = 70};
inline constexpr eg::description layered{.name = "layered", .family = eg::family::gpt2, .layers = 3, .d_model = 40,
                                         .heads = 6, .kv_heads = 6, .d_head = 10, .d_mlp = 50, .vocab = 70,
                                         .norm = eg::norm::layer, .position = eg::position::learned, .positions = 96,
                                         .attention_softcap = 5, .mlp = eg::mlp::gelu_tanh, .qkv_bias = true,
                                         .out_bias = true, .mlp_bias = true, .tied_unembedding = true};

template <class T>
void tell(char const* what, std::span<T const> numbers) {
    std::uint64_t hash = 1469598103934665603u; // FNV-1a
    for (auto const x : numbers)
        for (auto const byte : std::bit_cast<std::array<unsigned char, sizeof(T)>>(x))
            hash = (hash ^ byte) * 1099511628211u;
    std::printf("%s %016llx\n", what, static_cast<unsigned long long>(hash));
}

template <eg::description const& D>
void tell_all() {
    std::printf("%s\n", std::string(std::string_view(D.name)).c_str());
    eg::model<D> const model(eg::random_weights<D, eg::cpu<eg::fp32>>(3), eg::cpu<eg::fp32>(2));
    eg::random draw(4);
    auto const prompts = [&draw] {
        std::vector<std::vector<eg::token>> all;
        for (std::size_t const length : {5u, 90u, 17u}) {
            all.emplace_back();
            for (std::size_t i = 0; i < length; ++i)
                all.back().push_back(static_cast<eg::token>(draw.below(70)));
        }
        return eg::batch(all);
    };
    auto const clean_prompts = prompts(), other_prompts = prompts();
    std::vector<eg::token> const answers{3, 60, 17};

    auto const clean = model.run(clean_prompts, eg::capture_for_sweeps<D>());
    auto const logits = clean.logits_at(-1).values().to_host();
    tell<float>("forward", logits);

    auto const other = model.run(other_prompts, eg::capture(eg::z));
    auto const one_head = [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}) & eg::at(-1), other); };
    auto const heads = eg::sweep(model, clean, eg::each_head<D>(), one_head,
                                 {eg::probability(answers), eg::kl_to_clean()});
    tell<double>("sweep", heads.of("probability"));
    tell<double>("sweep", heads.of("kl_to_clean"));

    std::vector<eg::node> const masked{{1, 0}, {1, 4}};
    auto const policy = eg::mask(eg::z, eg::nodes(masked) & eg::at(-1), std::vector{0.3, 0.8}, other) |
                        eg::steer(eg::resid_mid, eg::layer(0) & eg::at(-2), std::vector<double>(40, 0.1), 0.7);
    auto const back =
        eg::gradient(model, clean_prompts, policy, eg::capture(eg::resid_pre), eg::log_probability(answers));
    for (std::size_t e = 0; e < 3; ++e) {
        auto const slope = back[eg::resid_pre].slice(0, e, -1);
        tell<float>("gradient", slope);
    }
    tell<double>("parameters", back.template parameters<0>());
    tell<double>("parameters", back.template parameters<1>());
}

int main() {
    tell_all<small>();
    tell_all<layered>();
}
