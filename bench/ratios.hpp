#pragma once

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

/// Google Benchmark's table, and below it each benchmark's shortest time as a ratio to that of the one it is named
/// against: `name` against the first one that ran, unless `against` says otherwise.
class ratio_reporter : public benchmark::ConsoleReporter {
public:
    explicit ratio_reporter(std::map<std::string, std::string> against) : against_(std::move(against)) {}

    void ReportRuns(std::vector<Run> const& runs) override {
        ConsoleReporter::ReportRuns(runs);
        for (auto const& run : runs)
            if (run.run_type == Run::RT_Iteration && !run.error_occurred) {
                auto const name = run.run_name.function_name;
                double const seconds = run.real_accumulated_time / static_cast<double>(run.iterations);
                if (!best_.contains(name) || seconds < best_[name])
                    best_[name] = seconds;
            }
    }

    void Finalize() override {
        std::printf("\nratios of the shortest times\n");
        for (auto const& [name, other] : against_)
            if (best_.contains(name) && best_.contains(other))
                std::printf("  %-28s / %-28s %.3f\n", name.c_str(), other.c_str(), best_[name] / best_[other]);
        ConsoleReporter::Finalize();
    }

private:
    std::map<std::string, std::string> against_;
    std::map<std::string, double> best_;
};
