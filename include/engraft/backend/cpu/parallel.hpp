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

/// While it lives, libraries that this thread calls take no further threads: a product that is divided differently has
/// other bits.
class single_thread {
public:
#if defined(_OPENMP)
    single_thread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
    ~single_thread() { omp_set_num_threads(before_); }

private:
    int before_;
#else
    single_thread() {} // not `= default`: an object that is only held would count as unused
#endif
    single_thread(single_thread const&) = delete;
    single_thread& operator=(single_thread const&) = delete;
};

/// Calls task(i) for i of [0, count), on up to `threads` threads. Tasks write to places of their own, so that results
/// do not depend on the number of threads. The first exception of a task is thrown when all have ended.
template <class Task>
void parallel_for(int threads, std::size_t count, Task const& task) {
#if defined(_OPENMP)
    if (threads > 1 && count > 1) {
        std::exception_ptr failure;
#pragma omp parallel num_threads(threads)
        {
            single_thread const alone;
#pragma omp for schedule(dynamic)
            for (std::size_t i = 0; i < count; ++i) {
                try {
                    task(i);
                } catch (...) {
#pragma omp critical(engraft_parallel_for)
                    if (!failure)
                        failure = std::current_exception();
                }
            }
        }
        if (failure)
            std::rethrow_exception(failure);
        return;
    }
#else
    (void)threads;
#endif
    single_thread const alone;
    for (std::size_t i = 0; i < count; ++i)
        task(i);
}

} // namespace engraft::detail
