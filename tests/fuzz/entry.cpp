// What libFuzzer calls: the target that the build names.

#include <cstddef>
#include <cstdint>

#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    engraft_fuzz::ENGRAFT_FUZZ_TARGET({reinterpret_cast<char const*>(data), size});
    return 0;
}
