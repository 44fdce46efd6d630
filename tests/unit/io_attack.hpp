#pragma once

// Loaders against damaged files: whatever is done to a valid file, what comes out is what was asked for or an
// engraft::error. The sanitizers of the debug preset see everything else. ENGRAFT_ATTACKS=N in the environment tries N
// times as much, with other damage.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <engraft/core/error.hpp>
#include <engraft/core/random.hpp>

#include "../catch.hpp"

namespace engraft_test {

namespace fs = std::filesystem;

inline std::string contents(fs::path const& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    REQUIRE(text.str().size() > 0);
    return text.str();
}

/// The text with a few random changes: cut short, bytes changed, runs removed, doubled or moved, numbers made strange.
inline std::string damaged(std::string text, std::size_t reach, engraft::random& random) {
    static std::string const strange[] = {
        "0",   "-1",   "1e99", "4294967296", "18446744073709551615", "9223372036854775807", "null", "{}", "[]", "\"\"",
        "0.5", "true", "[[[[", "\\u0000"};
    auto const at = [&] { return static_cast<std::size_t>(random.below(std::min(reach, text.size()) + 1)); };
    for (auto changes = 1 + random.below(3); changes-- > 0 && !text.empty();) {
        std::size_t const from = at(), length = static_cast<std::size_t>(random.below(20));
        switch (random.below(7)) {
        case 0:
            text.resize(from);
            break;
        case 1:
            if (from < text.size())
                text[from] = static_cast<char>(random.below(256));
            break;
        case 2:
            if (from < text.size())
                text[from] = static_cast<char>(text[from] ^ (1 << random.below(8)));
            break;
        case 3:
            text.erase(std::min(from, text.size()), length);
            break;
        case 4:
            text.insert(from, text.substr(at(), length));
            break;
        case 5:
            text.insert(from, strange[random.below(std::size(strange))]);
            break;
        default: { // a number or a word for another one
            auto const digit = text.find_first_of("0123456789", from);
            if (digit == text.npos)
                break;
            auto const end = std::min(text.find_first_not_of("0123456789", digit), text.size());
            text.replace(digit, end - digit, strange[random.below(std::size(strange))]);
        }
        }
    }
    return text;
}

/// Damages a file many times; returns how many of the results were refused. Anything but an engraft::error fails the
/// test.
template <class Use>
int attack(fs::path const& original, std::size_t reach, int times, std::uint64_t seed, Use use) {
    std::string name = (fs::temp_directory_path() / "engraft-attack-XXXXXX").string();
    int const descriptor = ::mkstemp(name.data());
    REQUIRE(descriptor >= 0);
    ::close(descriptor);
    auto const text = contents(original);
    auto const* const more = std::getenv("ENGRAFT_ATTACKS");
    int const factor = more ? std::max(1, std::atoi(more)) : 1;
    engraft::random random(seed, static_cast<std::uint64_t>(factor));
    int refused = 0;
    for (int i = 0; i < times * factor; ++i) {
        auto const broken = damaged(text, reach, random);
        std::ofstream(name, std::ios::binary) << broken;
        try {
            use(name);
        } catch (engraft::error const& e) {
            ++refused;
            if (std::string(e.what()).size() > 1000)
                FAIL("a message of " << std::string(e.what()).size() << " bytes");
        } catch (std::exception const& e) {
            fs::remove(name);
            FAIL("attack " << i << " of seed " << seed << ": " << e.what());
        }
    }
    fs::remove(name);
    return refused / factor;
}

} // namespace engraft_test
