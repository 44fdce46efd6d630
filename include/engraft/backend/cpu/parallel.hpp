#pragma once

#include <cstddef>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace engraft::detail {

inline int hardware_threads() {
#if defined(_OPENMP)
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/// Calls task(i) for i of [0, count), on up to `threads` threads. Tasks may not throw and must write to places of their
/// own, so that results do not depend on the number of threads.
template <class Task>
void parallel_for(int threads, std::size_t count, Task const& task) {
#if defined(_OPENMP)
    if (threads > 1 && count > 1) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (std::size_t i = 0; i < count; ++i) task(i);
        return;
    }
#else
    (void)threads;
#endif
    for (std::size_t i = 0; i < count; ++i) task(i);
}

} // namespace engraft::detail
