#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft::detail {

ENGRAFT_BODY int hardware_threads() {
    int cores = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        cores = CPU_COUNT(&allowed);
#endif
    if (auto const* text = std::getenv("OMP_NUM_THREADS"))
        if (int const wished = std::atoi(text); wished > 0 && wished < cores)
            cores = wished;
    return cores > 0 ? cores : 1;
}

/// Threads that wait for a task. From its lowest bits up, `state_` holds how many threads are at work on the task, how
/// many more may join it (16 bits each), and the task's number. A thread joins by one exchange, so none can touch a
/// task that has ended.
class thread_pool {
public:
    static thread_pool& instance() {
        static owner const of_process;
        return *current_;
    }

    /// Whether this thread got the pool for itself.
    bool try_enter() { return !inside_ && entered_.try_lock(); }

    /// Only after try_enter() returned true; releases the pool.
    void run(int threads, std::size_t count, void (*call)(void const*, std::size_t), void const* task) {
        auto const others = std::min<std::size_t>({static_cast<std::size_t>(threads) - 1, count - 1, most_threads});
        inside_ = true;
        call_ = call, task_ = task, count_ = count, failure_ = nullptr;
        next_.store(0, std::memory_order_relaxed);
        grow(others);
        auto const number = ((state_.load(std::memory_order_relaxed) >> 32) + 1) << 32;
        state_.store(number | std::min(others, threads_.size()) << 16);
        if (asleep_.load() > 0) {
            { std::lock_guard const lock(mutex_); }
            for (std::size_t i = 0; i < others; ++i)
                wake_.notify_one();
        }
        work();
        state_.fetch_and(~std::uint64_t(0xffff0000u)); // nobody joins any more
        wait_for_others();
        inside_ = false;
        auto const failure = std::exchange(failure_, nullptr);
        entered_.unlock();
        if (failure)
            std::rethrow_exception(failure);
    }

    thread_pool(thread_pool const&) = delete;
    thread_pool& operator=(thread_pool const&) = delete;

private:
    static constexpr std::size_t most_threads = 4096;
    static constexpr int looks = 400; ///< before a thread sleeps: ten to thirty microseconds

    /// A child made by fork() has none of its parent's threads, and locks as they were. It gets its own pool and
    /// never touches the other one again.
    struct owner {
        owner() {
            current_ = new thread_pool;
#if defined(__unix__) || defined(__APPLE__)
            pthread_atfork(nullptr, nullptr, [] { current_ = new thread_pool; });
#endif
        }
        ~owner() { delete current_; }
    };

    thread_pool() = default;

    ~thread_pool() {
        {
            std::lock_guard const lock(mutex_);
            stopped_ = true;
        }
        wake_.notify_all();
        for (auto& t : threads_)
            t.join();
    }

    void grow(std::size_t wanted) {
        try {
            while (threads_.size() < wanted)
                threads_.emplace_back([this] { serve(); });
        } catch (std::exception const&) { // no more threads or no memory for them: the existing ones do the work
        }
    }

    void work() {
        for (std::size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) {
            try {
                call_(task_, i);
            } catch (...) {
                std::lock_guard const lock(mutex_);
                if (!failure_)
                    failure_ = std::current_exception();
            }
        }
    }

    void serve() {
        inside_ = true;
        for (;;) {
            auto state = state_.load();
            for (int i = 0; i < looks && !may_join(state); ++i) {
                pause();
                state = state_.load();
            }
            if (!may_join(state)) {
                std::unique_lock lock(mutex_);
                ++asleep_;
                wake_.wait(lock, [&] { return stopped_ || may_join(state = state_.load()); });
                --asleep_;
                if (stopped_)
                    return;
            }
            if (!state_.compare_exchange_strong(state, state - 0x10000 + 1))
                continue;
            work();
            if ((state_.fetch_sub(1) & 0xffffffffu) == 1 && master_asleep_.load()) {
                { std::lock_guard const lock(mutex_); }
                done_.notify_one();
            }
        }
    }

    static bool may_join(std::uint64_t state) { return (state & 0xffff0000u) != 0; }

    void wait_for_others() {
        auto const at_work = [this] { return (state_.load() & 0xffffu) != 0; };
        for (int i = 0; i < looks && at_work(); ++i)
            pause();
        if (!at_work())
            return;
        std::unique_lock lock(mutex_);
        master_asleep_ = true;
        done_.wait(lock, [&] { return !at_work(); });
        master_asleep_ = false;
    }

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        std::this_thread::yield();
#endif
    }

    static inline thread_pool* current_ = nullptr;
    static inline thread_local bool inside_ = false; ///< whether this thread does part of a task
    std::mutex entered_;
    std::atomic<std::uint64_t> state_{0};
    std::atomic<std::size_t> next_{0};
    void (*call_)(void const*, std::size_t) = nullptr;
    void const* task_ = nullptr;
    std::size_t count_ = 0;
    std::exception_ptr failure_;
    std::atomic<int> asleep_{0};
    std::atomic<bool> master_asleep_{false};
    bool stopped_ = false;
    std::mutex mutex_; ///< of failure_, stopped_, and of going to sleep
    std::condition_variable wake_, done_;
    std::vector<std::thread> threads_;
};

ENGRAFT_BODY void run_parallel(int threads, std::size_t count, void (*call)(void const*, std::size_t),
                               void const* task) {
    auto& pool = thread_pool::instance();
    if (pool.try_enter())
        return pool.run(threads, count, call, task);
    for (std::size_t i = 0; i < count; ++i)
        call(task, i);
}

} // namespace engraft::detail
