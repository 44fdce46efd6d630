// The code of docs/how_to/adapters.md.

#include "catch.hpp"

// [description]
#include <engraft/engraft.hpp>

namespace eg = engraft;

inline constexpr eg::description pair_model{
    .name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16,
    .d_mlp = 192, .vocab = 755, .norm_eps = 1e-5, .rope_theta = 10000};
// [/description]

TEST_CASE("the page about adapters") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    // [merged]
    auto const goat = eg::load<pair_model>(folder + "/base", eg::lora(folder + "/adapter"));
    // [/merged]
    static_assert(std::is_same_v<decltype(goat), eg::loaded_model<pair_model> const>);

    // [apart]
    auto const llama = eg::load<pair_model>(folder + "/base");
    auto const adapted = eg::adapt(llama, eg::lora(folder + "/adapter"));
    static_assert(std::is_same_v<decltype(adapted), eg::loaded_model<pair_model, eg::adapted<eg::cpu<eg::fp32>>> const>);
    // [/apart]

    // [swap]
    auto const prompts = eg::boxes::sample(llama.tokenizer(), {.examples = 100, .seed = 10});
    auto const tuned = adapted.run(prompts.tokens, eg::capture(eg::z));
    auto const where = eg::read_circuit(folder + "/circuit.json")["value_fetcher"].at(prompts.role<eg::last>());
    auto const out = llama.run(prompts.tokens, eg::swap(eg::z, where, tuned));
    // [/swap]

    auto const right = [&](auto const& run) {
        return std::lround(eg::accuracy(run.logits_at(-1), prompts.answers) * 100);
    };
    auto const none = right(llama.run(prompts.tokens)), swapped = right(out);
    CHECK(swapped > none + 10);
    CHECK(right(tuned) > none + 10);
    CHECK(std::abs(right(tuned) - right(goat.run(prompts.tokens))) <= 1);
}
