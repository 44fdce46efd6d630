#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

#include <engraft/core/linkage.hpp>

/// The threads of the cpu backend: one pool for the whole program, started when it is first needed. A waiting thread
/// looks for new work for about ten microseconds and then sleeps, so that other programs get the cores. A thread that
/// wakes after a task has ended does nothing, and nobody waits for it.
namespace engraft::detail {

/// How many threads a backend uses by default: the number of cores that this process may run on, or that of the
/// environment variable OMP_NUM_THREADS if it is smaller.
int hardware_threads();

/// Calls call(task, i) for i of [0, count), on up to `threads` threads, this one among them. If the pool is in use, by
/// another thread or by this one, this thread makes all calls. An exception of a call is thrown again at the end; one
/// of several is chosen.
void run_parallel(int threads, std::size_t count, void (*call)(void const*, std::size_t), void const* task);

/// Calls task(i) for i of [0, count), on up to `threads` threads. Tasks write to places of their own, so that results
/// do not depend on the number of threads. An exception of a task is thrown again at the end.
template <class Task>
void parallel_for(int threads, std::size_t count, Task const& task) {
    if (threads > 1 && count > 1)
        return run_parallel(
            threads, count, [](void const* t, std::size_t i) { (*static_cast<Task const*>(t))(i); },
            std::addressof(task));
    for (std::size_t i = 0; i < count; ++i)
        task(i);
}

/// Calls task(first, count) for parts of [0, rows): up to four for each thread, of at least about `least` elements
/// each. A row has `width` elements.
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
