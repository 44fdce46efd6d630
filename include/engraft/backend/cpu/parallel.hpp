#pragma once

#include <cstddef>
#include <exception>

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

/// Calls task(i) for i of [0, count), on up to `threads` threads. Tasks write to places of their own, so that results
/// do not depend on the number of threads. The first exception of a task is thrown when all have ended.
template <class Task>
void parallel_for(int threads, std::size_t count, Task const& task) {
#if defined(_OPENMP)
    if (threads > 1 && count > 1) {
        std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (std::size_t i = 0; i < count; ++i) {
            try {
                task(i);
            } catch (...) {
#pragma omp critical(engraft_parallel_for)
                if (!failure)
                    failure = std::current_exception();
            }
        }
        if (failure)
            std::rethrow_exception(failure);
        return;
    }
#else
    (void)threads;
#endif
    for (std::size_t i = 0; i < count; ++i)
        task(i);
}

} // namespace engraft::detail
