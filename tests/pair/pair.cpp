// The trained pair: what Hugging Face's tokenizer and models make of its 500 prompts.

#include <fstream>
#include <numeric>

#include "catch.hpp"

#include <engraft/engraft.hpp>
#include <engraft/io/json.hpp>

#include "../../examples/pair/pair.hpp"

namespace eg = engraft;

namespace {

struct prompt_file {
    std::vector<std::vector<eg::token>> tokens;
    std::vector<eg::token> answers;
};

prompt_file read_prompts(eg::tokenizer const& tokenizer) {
    std::ifstream in(ENGRAFT_EXAMPLES_DATA "/prompts.jsonl");
    prompt_file read;
    for (std::string line; std::getline(in, line);) {
        auto const entry = eg::parse_json(line, "prompts.jsonl");
        read.tokens.push_back(tokenizer.encode(eg::require_string(entry, "prompt", "prompts.jsonl")));
        read.answers.push_back(tokenizer.require_token(eg::require_string(entry, "answer", "prompts.jsonl")));
    }
    return read;
}

double mean(std::vector<double> const& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

} // namespace

TEST_CASE("base and tuned answer 348 and 452 of the 500 prompts, with Hugging Face's logits") {
    struct {
        char const* folder;
        int right;
        double mean_logit;
    } const models[] = {{"/base", 348, 8.80934}, {"/tuned", 452, 10.35590}};
    for (auto const& expected : models) {
        auto const model = eg::load<pair_model>(std::string(ENGRAFT_EXAMPLES_DATA) + expected.folder);
        auto const prompts = read_prompts(model.tokenizer());
        REQUIRE(prompts.tokens.size() == 500);
        auto const logits = model.run(prompts.tokens).logits_at(-1);
        CHECK(std::lround(eg::accuracy(logits, prompts.answers) * 500) == expected.right);
        CHECK(std::abs(mean(logits.of(prompts.answers)) - expected.mean_logit) < 1e-4);
    }
}

TEST_CASE("base with the adapter answers 457 of the 500 prompts, with PEFT's logits, merged and apart") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    auto const base = eg::load<pair_model>(folder + "/base");
    auto const prompts = read_prompts(base.tokenizer());
    auto const check = [&](auto const& adapted) {
        auto const logits = adapted.run(prompts.tokens).logits_at(-1);
        CHECK(std::lround(eg::accuracy(logits, prompts.answers) * 500) == 457);
        CHECK(std::abs(mean(logits.of(prompts.answers)) - 11.01143) < 1e-4);
    };
    check(eg::load<pair_model>(folder + "/base", eg::lora(folder + "/adapter")));
    check(eg::adapt(base, eg::lora(folder + "/adapter")));
}

TEST_CASE("swapping groups of heads of tuned into base raises its accuracy as the pair's page says") {
    // Another draw of prompts than the page's 1000: four standard errors of the difference of two such shares.
    constexpr double close = 4 * 0.02;
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    auto const base = eg::load<pair_model>(folder + "/base"), tuned = eg::load<pair_model>(folder + "/tuned");
    auto const circuit = eg::read_circuit(folder + "/circuit.json");
    auto const prompts = eg::boxes::sample(base.tokenizer(), {.examples = 700, .seed = 1});
    auto const source = tuned.run(prompts.tokens, eg::capture(eg::z));
    auto const score = [&](auto const& policy) {
        return eg::accuracy(base.run(prompts.tokens, policy).logits_at(-1), prompts.answers);
    };
    auto const group = [&](char const* name, eg::role role) { return eg::swap(eg::z, circuit[name].at(role), source); };
    auto const a = group("value_fetcher", prompts.role<eg::last>()),
               b = group("position_transmitter", prompts.role<eg::last>()),
               c = group("position_detector", prompts.role<eg::query_label>()),
               d = group("structure_reader", prompts.role<eg::previous_query_label>());
    double const none = score(eg::identity);
    CHECK(none == Approx(0.649).margin(close)); // on 4000 prompts
    CHECK(score(a) - none == Approx(0.869 - 0.689).margin(close));
    CHECK(score(b) - none == Approx(0.740 - 0.689).margin(close));
    CHECK(score(c) - none == Approx(0.679 - 0.689).margin(close));
    CHECK(score(d) - none == Approx(0.688 - 0.689).margin(close));
    CHECK(score(a | b | c | d) - none == Approx(0.883 - 0.689).margin(close));
}
