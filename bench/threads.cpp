// What a second thread brings while other programs run: forward passes and sweeps with one thread and with two, in
// turns, on a machine that is otherwise idle and beside one busy process for each of its cores. Means of five turns.
// Both have the same bits, which is checked first.
//
//     bench_threads

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "smollm2.hpp"

namespace eg = engraft;

namespace {

using cpu = eg::cpu<eg::fp32>;

inline constexpr eg::description small{
    .name = "small", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16, .d_mlp = 192, .vocab = 755};

/// Processes that compute without end, one for each core.
class busy_processes {
public:
    explicit busy_processes(int count) {
        for (int i = 0; i < count; ++i) {
            auto const child = fork();
            if (child == 0)
                for (;;)
                    asm volatile("");
            children_.push_back(child);
        }
    }
    ~busy_processes() {
        for (auto const child : children_) {
            kill(child, SIGKILL);
            waitpid(child, nullptr, 0);
        }
    }
    busy_processes(busy_processes const&) = delete;
    busy_processes& operator=(busy_processes const&) = delete;

private:
    std::vector<pid_t> children_;
};

double seconds_of(std::function<void()> const& work) {
    auto const begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

eg::batch prompts_of(int vocab, std::uint64_t seed, std::size_t count) {
    eg::random r(seed);
    std::vector<std::vector<eg::token>> prompts(count);
    for (auto& p : prompts)
        for (int i = 0; i < 53; ++i)
            p.push_back(static_cast<eg::token>(r.below(static_cast<std::uint64_t>(vocab))));
    return eg::batch(prompts);
}

template <eg::description const& D>
void measure(char const* name, std::size_t count) {
    auto const weights = eg::random_weights<D, cpu>(1);
    eg::model<D> const one(weights, cpu(1)), two(weights, cpu(2));
    auto const prompts = prompts_of(D.vocab, 1, count), others = prompts_of(D.vocab, 2, count);
    std::vector<eg::token> const answers(count, 3);
    auto const clean = one.run(prompts, eg::capture_for_sweeps<D>());
    auto const source = one.run(others, eg::capture(eg::z));
    auto const forward = [&](eg::model<D> const& m) { return m.run(prompts).logits_at(-1).of(answers); };
    auto const sweep = [&](eg::model<D> const& m) {
        return eg::sweep(m, clean, eg::each_head<D>(),
                         [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}) & eg::at(-1), source); },
                         {eg::probability(answers)})
            .of();
    };
    if (forward(one) != forward(two) || sweep(one) != sweep(two))
        throw eg::bad_input({name, ": one thread and two give different bits"});
    double sums[2][2] = {};
    for (int turn = 0; turn < 5; ++turn)
        for (int t = 0; t < 2; ++t) {
            auto const& m = t == 0 ? one : two;
            sums[0][t] += seconds_of([&] { forward(m); }) / 5;
            sums[1][t] += seconds_of([&] { sweep(m); }) / 5;
        }
    for (int work = 0; work < 2; ++work)
        std::printf("  %-8s %-8s 1 thread %7.3f s   2 threads %7.3f s   ratio %.2f\n", name,
                    work == 0 ? "forward" : "sweep", sums[work][0], sums[work][1], sums[work][1] / sums[work][0]);
}

void measure_all() {
    measure<small>("small", 120);
    measure<smollm2>("SmolLM2", 8);
}

} // namespace

int main() try {
    std::printf("alone\n");
    measure_all();
    int const cores = cpu().threads();
    std::printf("beside %d busy processes\n", cores);
    busy_processes const busy(cores);
    measure_all();
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
