// Runs a target over all files in some folders, as libFuzzer does with -runs=0, where there is no libFuzzer.
// usage: fuzz_corpus TARGET FOLDER...

#include <algorithm>
#include <exception>
#include <iostream>
#include <iterator>
#include <vector>

#include "target.hpp"

// As the nightly runs have it (-malloc_limit_mb): no input in the corpus is near this size.
extern "C" char const* __asan_default_options() { return "max_allocation_size_mb=64:allocator_may_return_null=0"; }

int main(int count, char** arguments) {
    namespace fs = std::filesystem;
    std::vector<std::string_view> const given(arguments + 1, arguments + count);
    auto const* const target = given.empty()
                                   ? std::end(engraft_fuzz::targets)
                                   : std::find_if(std::begin(engraft_fuzz::targets), std::end(engraft_fuzz::targets),
                                                  [&](auto const& t) { return t.name == given[0]; });
    if (given.size() < 2 || target == std::end(engraft_fuzz::targets)) {
        std::cerr << "usage: fuzz_corpus TARGET FOLDER...\n";
        return 2;
    }
    std::vector<fs::path> files;
    for (std::size_t i = 1; i < given.size(); ++i)
        for (auto const& entry : fs::recursive_directory_iterator(given[i]))
            if (entry.is_regular_file())
                files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) {
        std::cerr << "there is no file in the folders\n";
        return 1;
    }
    int findings = 0;
    for (auto const& file : files) {
        std::ifstream in(file, std::ios::binary);
        std::string const input(std::istreambuf_iterator<char>(in), {});
        std::cerr << file.string() << '\n'; // before a sanitizer ends the program
        try {
            target->use(input);
        } catch (std::exception const& e) {
            std::cerr << "    finding: " << e.what() << '\n';
            ++findings;
        }
    }
    std::cerr << target->name << ": " << files.size() << " inputs, " << findings << " findings\n";
    return findings != 0;
}
