#include "plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <string>

#include <unistd.h>

#include <engraft/backend/planning.hpp>

#include "../program.hpp"

namespace paper {

namespace {

/// A folder for the circuits that planned experiments hand on; gone when the planning is done.
class passing_folder {
public:
    passing_folder() : path(made()) {}
    passing_folder(passing_folder const&) = delete;
    passing_folder& operator=(passing_folder const&) = delete;
    ~passing_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }

    std::filesystem::path const path;

private:
    static std::string made() {
        std::error_code failed;
        auto name = (std::filesystem::temp_directory_path(failed) / "engraft_plan_XXXXXX").string();
        if (failed || !::mkdtemp(name.data()))
            throw eg::bad_input(
                {"no folder can be made for planning: ", name, "; set TMPDIR to one that can be written"});
        return name;
    }
};

std::string time_of(double seconds) {
    if (seconds < 120)
        return report::shown(std::ceil(seconds)) + " s";
    if (seconds < 7200)
        return report::shown(std::ceil(seconds / 60)) + " min";
    return report::shown(std::ceil(seconds / 3600)) + " h";
}

} // namespace

example::json plan(settings const& chosen, published const& numbers, std::vector<experiment const*> const& experiments,
                   double flops_per_second) {
    auto const models = plan_lab(chosen);
    auto const weights = static_cast<double>(eg::no_memory::held());
    passing_folder const folder;
    store kept(folder.path);
    context c{*models, chosen, kept, numbers};

    std::cout << models->described() << "\n"
              << chosen.models.size() << " models, weights of " << std::fixed << std::setprecision(2)
              << weights / 1e9 / static_cast<double>(chosen.models.size()) << " GB each; prompts of "
              << models->prompts(1, chosen.seed).tokens.rows().longest() << " tokens\n\n"
              << "experiment      TFLOP of sweeps  of gradients  GB kept  of tables      time\n";
    example::json told{{"weights", weights}, {"flops_per_second", flops_per_second}};
    example::progress bar(experiments.size());
    cost all;
    auto const line = [&](std::string const& name, cost const& one) {
        std::cout << std::left << std::setw(16) << name << std::right << std::setprecision(3) << std::setw(15)
                  << one.planned / 1e12 << std::setw(14) << one.gradients / 1e12 << std::setprecision(1) << std::setw(9)
                  << one.kept / 1e9 << std::setw(11) << one.tables / 1e9 << std::setw(10)
                  << time_of((one.planned + one.gradients) / flops_per_second) << std::endl;
        told[name] = {{"sweeps", one.planned},
                      {"gradients", one.gradients},
                      {"kept", one.kept},
                      {"tables", one.tables},
                      {"seconds", (one.planned + one.gradients) / flops_per_second}};
    };
    for (auto const* e : experiments) {
        bar.step(e->name);
        models->used = {};
        kept.begin(e->name);
        report::findings found{.name = e->name, .title = e->title};
        e->run(c, found);
        kept.finish(found, 0, 0);
        bar.done();
        auto const& used = models->used;
        line(e->name, used);
        all.planned += used.planned, all.gradients += used.gradients;
        all.kept = std::max(all.kept, used.kept), all.tables = std::max(all.tables, used.tables);
    }
    line("all", all);
    std::cout << "\nmemory: " << std::setprecision(1) << (weights + all.kept + all.tables) / 1e9
              << " GB for weights, what runs keep and tables of sweeps\ntime: of the products alone, at "
              << flops_per_second / 1e9 << " GFLOP/s\n";
    return told;
}

} // namespace paper
