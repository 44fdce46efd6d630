// engraft's side of the comparison with the Python tools: the same prompts, heads and watched logits.
//     engraft_peer MODEL_FOLDER WORK.json RESULT.json
// The folder is the one that the program was compiled for. work.py says what WORK.json is.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm2.hpp>

namespace eg = engraft;
using nlohmann::json;

namespace {

constexpr auto const& D = smollm2;

/// Processor seconds that all programs of this machine have taken; Linux only, 0 elsewhere.
double busy() {
    std::ifstream stat("/proc/stat");
    std::string name;
    double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0;
    stat >> name >> user >> nice >> system >> idle >> wait >> irq >> softirq;
    return (user + nice + system + irq + softirq) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

/// Seconds of each repetition, and what other programs took of the processors meanwhile.
struct timing {
    std::vector<double> seconds, others;

    template <class Work>
    timing(int repeats, Work const& work) {
        for (int i = 0; i < repeats; ++i) {
            auto const begin = std::chrono::steady_clock::now();
            auto const own = std::clock();
            double const all = busy();
            work();
            seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
            others.push_back(std::max(0.0, busy() - all - static_cast<double>(std::clock() - own) / CLOCKS_PER_SEC));
        }
    }
};

std::string version() {
    auto const number = [](int n) { return std::to_string(n); };
    std::string text = "engraft " + number(ENGRAFT_VERSION_MAJOR) + '.' + number(ENGRAFT_VERSION_MINOR) + '.' +
                       number(ENGRAFT_VERSION_PATCH) + ", compiler " __VERSION__;
    return text;
}

/// What one item of the work asks for.
struct item {
    std::string name;
    std::vector<std::vector<eg::token>> clean, source;
    std::vector<eg::token> answers, watched;
    std::vector<eg::node> checked;
    int repeats;

    item(json const& work, std::string n) : name(std::move(n)), watched(work["watched"]), repeats(work["repeats"]) {
        auto const count = work["prompts"][name].get<std::ptrdiff_t>();
        auto const first = [&](auto& to, char const* key) {
            work[key].get_to(to);
            to.resize(static_cast<std::size_t>(count));
        };
        first(clean, "clean"), first(source, "source"), first(answers, "answers");
        if (work["checked"].contains(name))
            for (auto const& head : work["checked"][name])
                checked.push_back({head[0], head[1]});
    }

    json record(std::string const& usage, std::size_t heads, timing const& t) const {
        std::printf("  %s: engraft, %s: %zu heads x %zu prompts in %s s\n", name.c_str(), usage.c_str(), heads,
                    clean.size(), json(t.seconds).dump().c_str());
        std::fflush(stdout);
        return {{"item", name},       {"tool", "engraft"},       {"usage", usage},
                {"heads", heads},     {"prompts", clean.size()}, {"seconds", t.seconds},
                {"others", t.others}, {"version", version()}};
    }
};

/// The logits that all tools are compared by, as metrics of a sweep: answer's, watched ones, answer's log softmax.
std::vector<eg::metric> probe(item const& work) {
    std::vector<eg::metric> metrics{eg::logit(work.answers)};
    for (auto const w : work.watched)
        metrics.push_back(eg::logit(std::vector<eg::token>(work.clean.size(), w)));
    metrics.push_back(eg::log_probability(work.answers));
    for (std::size_t i = 0; i < metrics.size(); ++i)
        metrics[i].name = std::to_string(i);
    return metrics;
}

/// Values of a sweep with one metric over tables of one axis. shape [entries][examples]
json by_entry(std::vector<double> const& values, std::size_t examples) {
    json rows = json::array();
    for (auto at = values.begin(); at != values.end(); at += static_cast<std::ptrdiff_t>(examples))
        rows.push_back(std::vector<double>(at, at + static_cast<std::ptrdiff_t>(examples)));
    return rows;
}

/// All heads with the metric that is timed; the checked heads with all watched logits.
template <class Clean, class PolicyOf>
json swept(eg::model<D> const& model, item const& work, Clean const& clean, PolicyOf const& policy_of) {
    auto const examples = work.clean.size();
    eg::table<eg::node> const some{{{"head", work.checked.size()}}, work.checked};
    auto const metrics = probe(work);
    auto const seen = eg::sweep(model, clean, some, policy_of, metrics);
    json logits = json::array();
    for (std::size_t entry = 0; entry < work.checked.size(); ++entry) {
        json of_entry = json::array();
        for (std::size_t e = 0; e < examples; ++e) {
            json of_example = json::array();
            for (auto const& m : metrics)
                of_example.push_back(seen.of(m.name)[entry * examples + e]);
            of_entry.push_back(of_example);
        }
        logits.push_back(of_entry);
    }

    auto const all = eg::each_head<D>();
    std::vector<double> answers;
    timing const t(work.repeats, [&] {
        answers = eg::sweep(model, clean, all, policy_of, {eg::log_probability(work.answers)}).of();
    });
    auto record = work.record("sweep", all.entries.size(), t);
    record["logits"] = logits;
    record["answers"] = by_entry(answers, examples);
    return record;
}

json forward(eg::model<D> const& model, item const& work) {
    eg::batch const tokens = work.clean;
    auto logits = model.run(tokens).logits_at(-1);
    timing const t(work.repeats, [&] { logits = model.run(tokens).logits_at(-1); });

    std::vector<std::vector<double>> rows(work.clean.size());
    auto const add = [&](std::vector<double> const& column) {
        for (std::size_t e = 0; e < rows.size(); ++e)
            rows[e].push_back(column[e]);
    };
    add(logits.of(work.answers));
    for (auto const w : work.watched)
        add(logits.of(std::vector<eg::token>(rows.size(), w)));
    auto last = logits.probability(work.answers);
    for (auto& p : last)
        p = std::log(p);
    add(last);
    auto record = work.record("run, last logits", 1, t);
    record["logits"] = json::array({rows});
    record["answers"] = json::array({last});
    return record;
}

json patch_z(eg::model<D> const& model, item const& work) {
    auto const clean = model.run(work.clean, eg::capture_for_sweeps<D>());
    auto const source = model.run(work.source, eg::capture(eg::z));
    return swept(model, work, clean, [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}) & eg::at(-1), source); });
}

/// The first pass of path patching, from each head to the logits: all other heads are held at their clean values.
json paths(eg::model<D> const& model, item const& work) {
    auto const clean = model.run(work.clean, eg::capture_for_sweeps<D>());
    auto const source = model.run(work.source, eg::capture(eg::z));
    return swept(model, work, clean, [&](eg::node n) {
        auto const sender = eg::nodes({n}) & eg::at(-1);
        return eg::freeze(eg::z, eg::positions(-1) - sender, clean) | eg::patch(eg::z, sender, source);
    });
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::fprintf(stderr, "usage: engraft_peer MODEL_FOLDER WORK.json RESULT.json\n");
        return 2;
    }
    std::ifstream in(argv[2]);
    auto const work = json::parse(in);
    auto const model = eg::load<D>(argv[1], eg::default_backend(work["threads"].get<int>()));
    json const result{forward(model, {work, "forward"}), patch_z(model, {work, "z"}), paths(model, {work, "paths"})};
    std::ofstream(argv[3]) << result;
} catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
