#pragma once

// The backends that a source of tests is compiled for. A source that includes others to compile them for backends of
// its own defines ENGRAFT_TEST_OTHER_BACKENDS before.

#include <concepts>

#include <engraft/engraft.hpp>

#ifdef ENGRAFT_TEST_OTHER_BACKENDS
#define ENGRAFT_TEST_BACKENDS ENGRAFT_TEST_OTHER_BACKENDS
#define ENGRAFT_TEST_FAST_BACKENDS ENGRAFT_TEST_OTHER_BACKENDS
#else
#define ENGRAFT_TEST_BACKENDS engraft::reference, engraft::cpu<engraft::fp32>
#define ENGRAFT_TEST_FAST_BACKENDS engraft::cpu<engraft::fp32>
#endif

/// A backend with so many threads, where it has any.
template <class Backend>
Backend threads(int count) {
    if constexpr (std::constructible_from<Backend, int>)
        return Backend(count);
    else
        return Backend();
}
