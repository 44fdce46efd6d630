// Gemma 3 270M out of a GGUF file: what Hugging Face's tokenizer and model make of 20 prompts (golden/make_gemma3.py).

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "catch.hpp"

#include <engraft/engraft.hpp>
#include <engraft/io/json.hpp>

namespace {

namespace eg = engraft;

inline constexpr eg::description gemma3{.name = "gemma3-270m",
                                        .family = eg::family::gemma3,
                                        .layers = 18,
                                        .d_model = 640,
                                        .heads = 4,
                                        .kv_heads = 1,
                                        .d_head = 256,
                                        .d_mlp = 2048,
                                        .vocab = 262144,
                                        .norm_eps = 1e-6,
                                        .qk_norm = true,
                                        .post_norms = true,
                                        .rope_theta = 1000000,
                                        .window_rope_theta = 10000,
                                        .window = 512,
                                        .window_layers = "111110",
                                        .attention_scalar = 256,
                                        .scaled_embedding = true,
                                        .mlp = eg::mlp::gated_gelu_tanh,
                                        .tied_unembedding = true};

std::string file_or_skip() {
    std::string const file = ENGRAFT_GEMMA3 "/gemma-3-270m-q4_k_m.gguf";
    if (!std::filesystem::exists(file)) {
        std::cerr << "SKIPPED: there is no " << file << "; sh cmake/fetch_gemma3.sh gets it\n";
        std::exit(77);
    }
    return file;
}

/// Loaded once for all tests.
eg::loaded_model<gemma3> const& loaded() {
    static auto const only = eg::load<gemma3>(file_or_skip());
    return only;
}

struct expected_prompt {
    std::string text;
    std::vector<eg::token> tokens, entries, next;
    std::vector<double> logits;
    double log_sum_exp = 0;
};

std::vector<expected_prompt> read_prompts() {
    auto const file = eg::read_json(ENGRAFT_TEST_DATA "/data/gemma3_270m.json");
    std::vector<expected_prompt> prompts;
    for (auto const& p : file["prompts"])
        prompts.push_back({p["text"].get<std::string>(), p["tokens"].get<std::vector<eg::token>>(),
                           p["entries"].get<std::vector<eg::token>>(), p["next"].get<std::vector<eg::token>>(),
                           p["logits"].get<std::vector<double>>(), p["log_sum_exp"].get<double>()});
    REQUIRE(prompts.size() == 20);
    return prompts;
}

} // namespace

TEST_CASE("the description of Gemma 3 270M is read from its GGUF file") {
    auto const read = eg::read_config(file_or_skip());
    CHECK_NOTHROW(eg::require_same(gemma3, read, "Gemma 3 270M"));
}

TEST_CASE("Gemma 3's tokens are those of Hugging Face's tokenizer") {
    auto const& tokenizer = loaded().tokenizer();
    auto const file = eg::read_json(ENGRAFT_TEST_DATA "/data/gemma3_270m.json");
    for (auto const* part : {"prompts", "texts"})
        for (auto const& entry : file[part]) {
            auto const text = entry["text"].get<std::string>();
            INFO(text);
            CHECK(tokenizer.encode(text) == entry["tokens"].get<std::vector<eg::token>>());
        }
}

TEST_CASE("Gemma 3's logits, and the 20 most probable tokens after each prompt, are Hugging Face's") {
    auto const prompts = read_prompts();
    // With the expected tokens put behind a prompt, the rows before each of them say what comes there: what comes out
    // is what a program that appends its own choice finds, as long as all agree.
    constexpr int count = 20;
    std::vector<std::vector<eg::token>> sequences;
    for (auto const& p : prompts) {
        REQUIRE(p.next.size() == count);
        REQUIRE(p.entries.size() == p.logits.size());
        sequences.push_back(p.tokens);
        sequences.back().insert(sequences.back().end(), p.next.begin(), p.next.end() - 1);
    }
    auto const run = loaded().run(sequences);
    auto const first = run.logits_at(-count);
    auto const ours = first.values().to_host();
    std::size_t const vocab = gemma3.vocab;
    double worst = 0, worst_sum = 0; // parts of the largest of the prompt's logits, which may be a tenth of another's
    for (std::size_t p = 0; p < prompts.size(); ++p) {
        INFO("after '" << prompts[p].text << "'");
        auto const begin = ours.begin() + static_cast<std::ptrdiff_t>(p * vocab);
        double largest = 0, difference = 0;
        for (std::size_t i = 0; i < prompts[p].entries.size(); ++i) {
            double const theirs = prompts[p].logits[i];
            difference = std::max(difference, std::abs(begin[prompts[p].entries[i]] - theirs));
            largest = std::max(largest, std::abs(theirs));
        }
        double const most = *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(vocab));
        double sum = 0;
        for (std::size_t t = 0; t < vocab; ++t)
            sum += std::exp(begin[static_cast<std::ptrdiff_t>(t)] - most);
        worst = std::max(worst, difference / largest);
        worst_sum = std::max(worst_sum, std::abs(std::log(sum) + most - prompts[p].log_sum_exp) / largest);
        CHECK(first.top(p, 5) == std::vector<eg::token>(prompts[p].entries.begin(), prompts[p].entries.begin() + 5));
    }
    WARN("parts of the largest logit: largest difference " << worst << "; log-sum-exp " << worst_sum);
    CHECK(worst < 1e-5);
    CHECK(worst_sum < 1e-5);
    for (int i = 0; i < count; ++i) {
        auto const chosen = run.logits_at(i - count).top();
        for (std::size_t p = 0; p < prompts.size(); ++p) {
            INFO("token " << i << " after '" << prompts[p].text << "'");
            CHECK(chosen[p] == prompts[p].next[static_cast<std::size_t>(i)]);
        }
    }
}
