#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

#include <engraft/core/linkage.hpp>

/// The threads of the cpu backend: one pool for the whole program, started when it is first needed. A thread that waits
/// looks for new work for some ten microseconds and then sleeps, so that other programs get the cores; and a thread
/// that comes late finds nothing to do and is not waited for.
namespace engraft::detail {

/// How many threads a backend uses by default: the cores that this process may run on, or fewer where the environment
/// variable OMP_NUM_THREADS says so.
int hardware_threads();

/// Calls call(task, i) for i of [0, count), on up to `threads` threads, this one among them. If the pool is in use, by
/// another thread or by this one, this thread does all of it. The first exception is thrown when all have ended.
void run_parallel(int threads, std::size_t count, void (*call)(void const*, std::size_t), void const* task);

/// Calls task(i) for i of [0, count), on up to `threads` threads. Tasks write to places of their own, so that results
/// do not depend on the number of threads. The first exception of a task is thrown when all have ended.
template <class Task>
void parallel_for(int threads, std::size_t count, Task const& task) {
    if (threads > 1 && count > 1)
        return run_parallel(
            threads, count, [](void const* t, std::size_t i) { (*static_cast<Task const*>(t))(i); },
            std::addressof(task));
    for (std::size_t i = 0; i < count; ++i)
        task(i);
}

/// Calls task(first, count) for parts of [0, rows), as few as give each thread some and hold about `least` elements
/// each; a row has `width` elements.
template <class Task>
void parallel_rows(int threads, std::size_t rows, std::size_t width, Task const& task) {
    constexpr std::size_t least = 4096;
    auto const most = std::min(rows, rows * width / least);
    auto const parts = std::min(most, 4 * static_cast<std::size_t>(threads));
    if (threads == 1 || parts < 2)
        return rows > 0 ? task(std::size_t(0), rows) : void();
    parallel_for(threads, parts, [&](std::size_t i) {
        auto const first = rows * i / parts;
        task(first, rows * (i + 1) / parts - first);
    });
}

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/parallel.ipp>
#endif
