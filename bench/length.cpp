// How a plain forward pass of SmolLM2-135M's shape (weights from a seed, the last row's logits) grows with the length
// of its prompt: tokens per second, and the largest amount of memory that the process has held until then. Before a
// length is timed, its first tokens are run as a prompt of their own, which must give the same logits to the bit.
//
//     bench_length [LENGTH | COUNTxLENGTH]...   (53 256 1024 2048 4096 8192 25x53 8x512)
//
// One line of JSON for each, so that other programs can put their own numbers beside it.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "smollm2.hpp"

namespace eg = engraft;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double peak_gib() {
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_maxrss) / (1 << 20);
}

std::vector<float> logits_at(eg::model<smollm2> const& model, eg::batch const& prompts, long position) {
    return model.run(prompts).logits_at(position).values().to_host();
}

} // namespace

int main(int argc, char** argv) try {
    std::vector<std::string> wanted(argv + 1, argv + argc);
    if (wanted.empty())
        wanted = {"53", "256", "1024", "2048", "4096", "8192", "25x53", "8x512"};
    eg::model<smollm2> const model(eg::random_weights<smollm2, eg::cpu<eg::fp32>>(1));
    for (auto const& what : wanted) {
        auto const x = what.find('x');
        std::size_t const count = x == what.npos ? 1 : std::strtoul(what.c_str(), nullptr, 10);
        std::size_t const length = std::strtoul(what.c_str() + (x == what.npos ? 0 : x + 1), nullptr, 10);
        if (count < 1 || length < 2) {
            std::fprintf(stderr, "usage: bench_length [LENGTH | COUNTxLENGTH]..., lengths from 2 on\n");
            return 2;
        }
        auto const prompts = random_prompts(2, count, length);
        auto const part = std::min<std::size_t>(length - 1, 300);
        auto const tokens = prompts.tokens();
        eg::batch const first({std::vector<eg::token>(tokens.begin(), tokens.begin() + static_cast<long>(part))});
        auto const last = static_cast<long>(part) - 1;
        auto const whole = logits_at(model, prompts, last), alone = logits_at(model, first, last);
        if (!std::equal(alone.begin(), alone.end(), whole.begin())) {
            std::fprintf(stderr, "the first %zu tokens of %s have other logits by themselves\n", part, what.c_str());
            return 1;
        }
        double seconds = 1e30, spent = 0;
        for (int i = 0; i < 10 && spent < (i < 3 ? 20 : 2); ++i) {
            double const begin = now();
            logits_at(model, prompts, -1);
            seconds = std::min(seconds, now() - begin);
            spent += now() - begin;
        }
        std::printf("{\"prompts\": %zu, \"length\": %zu, \"seconds\": %.4f, \"tokens_per_second\": %.1f, "
                    "\"peak_gib\": %.2f}\n",
                    count, length, seconds, static_cast<double>(count * length) / seconds, peak_gib());
        std::fflush(stdout);
    }
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
