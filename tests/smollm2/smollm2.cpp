// SmolLM2-135M-Instruct out of a GGUF file: what Hugging Face's tokenizer and model make of 20 prompts
// (golden/make_smollm2.py). The code of docs/how_to/gguf.md.

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include <sys/resource.h>

#include "catch.hpp"

// [description]
#include <engraft/engraft.hpp>

namespace eg = engraft;

inline constexpr eg::description smollm2{.name = "smollm2-135m",
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
// [/description]

#include <engraft/io/json.hpp>

namespace {

constexpr double weight_bytes =
    4.0 * (49152.0 * 576 + 30.0 * (2 * 576 * 576 + 2 * 192 * 576 + 3 * 1536 * 576 + 2 * 576) +
           576); // the unembedding is the embedding

std::string file_or_skip() {
    std::string const file = ENGRAFT_SMOLLM2 "/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!std::filesystem::exists(file)) {
        std::cerr << "SKIPPED: there is no " << file << "; sh cmake/fetch_smollm2.sh gets it\n";
        std::exit(77);
    }
    return file;
}

double peak_bytes() {
    ::rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return 1024.0 * static_cast<double>(used.ru_maxrss);
}

/// Loaded once for all tests, before anything else needs memory.
struct loaded {
    eg::loaded_model<smollm2> model = eg::load<smollm2>(file_or_skip());
    double peak = peak_bytes();

    static loaded const& one() {
        static loaded const only;
        return only;
    }
};

struct prompt {
    std::string text;
    std::vector<eg::token> tokens;
};

std::vector<prompt> read_prompts() {
    std::vector<prompt> prompts;
    for (auto const& entry : eg::read_json(ENGRAFT_TEST_DATA "/data/smollm2/prompts.json"))
        prompts.push_back({entry[0].get<std::string>(), entry[1].get<std::vector<eg::token>>()});
    REQUIRE(prompts.size() == 20);
    return prompts;
}

std::vector<std::vector<eg::token>> continuations_in(eg::checkpoint const& expected) {
    auto const all = expected.read<std::int64_t>("continuations");
    std::size_t const count = expected.shape("continuations")[1];
    std::vector<std::vector<eg::token>> each;
    for (std::size_t i = 0; i < all.size(); i += count)
        each.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i),
                          all.begin() + static_cast<std::ptrdiff_t>(i + count));
    return each;
}

std::string const expected_file = ENGRAFT_TEST_DATA "/data/smollm2/expected.safetensors";

} // namespace

TEST_CASE("loading takes less than 1.1 times the bytes of the weights") {
    double const share = loaded::one().peak / weight_bytes;
    WARN("peak resident memory / bytes of weights: " << share);
#if !defined(__SANITIZE_ADDRESS__)
    CHECK(share < 1.1);
#endif
    CHECK(share > 1); // or the weights are not where they are thought to be
}

TEST_CASE("the file's own description is the one above") {
    auto const read = eg::read_config(file_or_skip());
    CHECK_NOTHROW(eg::require_same(smollm2, read, "SmolLM2"));
}

TEST_CASE("tokens are those of Hugging Face's tokenizer") {
    auto const& tokenizer = loaded::one().model.tokenizer();
    for (auto const& p : read_prompts()) {
        INFO(p.text);
        CHECK(tokenizer.encode(p.text) == p.tokens);
        CHECK(tokenizer.decode(p.tokens) == p.text);
    }
}

TEST_CASE("logits agree with Hugging Face's in double") {
    eg::checkpoint const expected(expected_file);
    auto const entries = expected.read<std::int64_t>("entries");
    auto const logits = expected.read<double>("logits"), log_sums = expected.read<double>("log_sum_exp");
    std::vector<std::vector<eg::token>> tokens;
    for (auto const& p : read_prompts())
        tokens.push_back(p.tokens);
    auto const last = loaded::one().model.run(tokens).logits_at(-1);
    auto const ours = last.values().to_host();
    std::size_t const vocab = smollm2.vocab, count = entries.size() / tokens.size();
    REQUIRE(count > 150);
    REQUIRE(logits.size() == entries.size());
    double largest = 0, norm = 0, worst = 0, squares = 0, worst_sum = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        double const d = ours[i / count * vocab + static_cast<std::size_t>(entries[i])] - logits[i];
        worst = std::max(worst, std::abs(d));
        squares += d * d;
        largest = std::max(largest, std::abs(logits[i]));
        norm += logits[i] * logits[i];
    }
    for (std::size_t p = 0; p < tokens.size(); ++p) {
        auto const begin = ours.begin() + static_cast<std::ptrdiff_t>(p * vocab);
        double const most = *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(vocab));
        double sum = 0;
        for (std::size_t t = 0; t < vocab; ++t)
            sum += std::exp(ours[p * vocab + t] - most);
        worst_sum = std::max(worst_sum, std::abs(std::log(sum) + most - log_sums[p]));
        // The 40 largest, which stand behind the others, are the largest here, too.
        auto const top = last.top(p, 1).at(0);
        CHECK(top == entries[p * count + count - 40]);
    }
    WARN("logits: max abs difference " << worst << " (" << worst / largest << " of the largest), relative error "
                                       << std::sqrt(squares / norm) << "; log-sum-exp " << worst_sum);
    CHECK(std::sqrt(squares / norm) < 1e-5);
    CHECK(worst < 1e-5 * largest);
    CHECK(worst_sum < 1e-5 * largest);
}

TEST_CASE("each of 20 tokens after each prompt is the most probable one, as it is for Hugging Face") {
    eg::checkpoint const expected(expected_file);
    auto const continuations = continuations_in(expected);
    auto const prompts = read_prompts();
    REQUIRE(continuations.size() == prompts.size());
    // With the expected tokens put behind a prompt, the rows before each of them say what comes there: what comes out
    // is what a program that appends its own choice finds, as long as all agree.
    constexpr int count = 20;
    std::vector<std::vector<eg::token>> sequences;
    for (std::size_t p = 0; p < prompts.size(); ++p) {
        REQUIRE(continuations[p].size() == count);
        sequences.push_back(prompts[p].tokens);
        sequences.back().insert(sequences.back().end(), continuations[p].begin(), continuations[p].end() - 1);
    }
    auto const run = loaded::one().model.run(sequences);
    for (int i = 0; i < count; ++i) {
        auto const chosen = run.logits_at(i - count).top();
        for (std::size_t p = 0; p < prompts.size(); ++p) {
            INFO("token " << i << " after '" << prompts[p].text << "'");
            CHECK(chosen[p] == continuations[p][static_cast<std::size_t>(i)]);
        }
    }
}

TEST_CASE("the adapter that ships makes it track entities") {
    auto const adapted = eg::load<smollm2>(file_or_skip(), eg::lora(ENGRAFT_EXAMPLES_DATA "/../smollm2/adapter"));
    auto const prompts = eg::boxes::sample(adapted.tokenizer(), {.examples = 60, .seed = 10, .boxes = 3});
    auto const right = [&](eg::model<smollm2> const& m) {
        return eg::accuracy(m.run(prompts.tokens).logits_at(prompts.role<eg::last>()), prompts.answers);
    };
    double const before = right(loaded::one().model), after = right(adapted);
    WARN("accuracy on 3 boxes: " << before << ", with the adapter " << after);
    CHECK(before < 0.6);
    CHECK(after > 0.95); // transformers: 0.32 and 0.997 of 300 other prompts (examples/smollm2)
}

TEST_CASE("the page about GGUF files") {
    // [load]
    std::string const file = ENGRAFT_SMOLLM2 "/SmolLM2-135M-Instruct.Q4_1.gguf";
    auto const model = eg::load<smollm2>(file);
    // [/load]

    // [run]
    auto tokens = model.tokenizer().encode("The capital of France is");
    for (int i = 0; i < 5; ++i)
        tokens.push_back(model.run(eg::batch::of(tokens)).logits_at(-1).top()[0]);
    auto const text = model.tokenizer().decode(tokens);
    // [/run]
    CHECK(text == "The capital of France is Paris.\n\nThe");
}
