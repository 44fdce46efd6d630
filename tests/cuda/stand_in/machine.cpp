// Streams, memory and blocks of the stand-in for a GPU.

#include "cuda_runtime.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include <boost/context/fiber.hpp>

#include <sys/mman.h>
#include <unistd.h>

// What is marked __shared__ lies between these.
extern "C" {
[[gnu::weak]] extern char __start_shared_of_block[];
[[gnu::weak]] extern char __stop_shared_of_block[];
}

namespace stand_in {

void undefined(std::string const& what) {
    std::fprintf(stderr, "on a GPU this is undefined: %s\n", what.c_str());
    std::abort();
}

// --- streams ---------------------------------------------------------------------------------------------------------

void stream::add(std::function<void()> work) {
    work_.push_back(std::move(work));
    ++asked_;
    if (work_.size() > places)
        run_until(done_ + 1);
}

void stream::run_until(std::uint64_t count) {
    memory::reach const now;
    while (done_ < count) {
        auto const work = std::move(work_.front());
        work_.pop_front();
        work();
        ++done_;
    }
}

// --- memory ----------------------------------------------------------------------------------------------------------

namespace memory {
namespace {

/// Pieces of one stretch of addresses, each with a margin behind it that nobody may write to, and who reads it gets
/// NaN.
struct pool {
    static constexpr std::size_t size = std::size_t(1) << 36, least_margin = 256;
    static constexpr int none = 0xff; ///< the bytes of what was not written: NaN, in floating point of any size

    struct piece {
        std::size_t bytes, whole;
        bool freed;
        std::size_t margin() const { return std::min<std::size_t>(whole - bytes, 4096); }
    };

    static pool& one() {
        static pool& the = *new pool; // tensors of static duration may outlive any order
        return the;
    }

    pool() {
        int const file = memfd_create("stand_in", 0);
        if (file < 0 || ftruncate(file, size) != 0)
            fail("memfd_create");
        auto const map = [&](int how) {
            void* const all = mmap(nullptr, size, how, MAP_SHARED | MAP_NORESERVE, file, 0);
            if (all == MAP_FAILED)
                fail("mmap");
            return static_cast<std::byte*>(all);
        };
        base = map(PROT_NONE);
        seen = map(PROT_READ | PROT_WRITE);
        key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
        if (key >= 0 && pkey_mprotect(base, size, PROT_READ | PROT_WRITE, key) != 0)
            fail("pkey_mprotect");
    }

    [[noreturn]] static void fail(char const* call) {
        std::perror(call);
        std::abort();
    }

    /// By the processor's keys where it has any, which is a thousand times faster.
    void let_reach(bool may) const {
        if (key >= 0) {
            if (pkey_set(key, may ? 0 : PKEY_DISABLE_ACCESS) != 0)
                fail("pkey_set");
        } else if (taken > 0 && mprotect(base, taken, may ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) {
            fail("mprotect");
        }
    }
    /// The same bytes for the stand-in itself, at any time.
    std::byte* own(std::byte* p) const { return seen + (p - base); }

    std::byte *base = nullptr, *seen = nullptr;
    std::size_t taken = 0; ///< of the addresses
    int open = 0, key = -1;
    std::size_t limit = std::size_t(16) << 30, used = 0, most = 0, reserved = 0;
    std::map<std::byte*, piece> pieces;
    std::map<std::size_t, std::vector<std::byte*>> kept; ///< by whole size
    std::map<std::byte const*, std::size_t> pinned;
};

} // namespace

void limit(std::size_t bytes) { pool::one().limit = bytes; }
std::size_t limit() { return pool::one().limit; }
std::size_t used() { return pool::one().used; }
std::size_t most_used() { return pool::one().most; }
std::size_t reserved() { return pool::one().reserved; }
void forget_most() { pool::one().most = pool::one().used; }

void* allocate(std::size_t bytes, bool from_pool) {
    auto& all = pool::one();
    auto const whole = std::bit_ceil(bytes + pool::least_margin); // few sizes, so that few addresses are taken
    auto& kept = all.kept[whole];
    std::byte* p = nullptr;
    if (!kept.empty()) {
        p = kept.back();
        kept.pop_back();
    } else {
        if (all.reserved + whole > all.limit)
            return nullptr;
        if (all.taken + whole > pool::size)
            undefined("tests take all addresses of the stand-in's memory");
        p = all.base + all.taken;
        all.taken += std::max<std::size_t>(whole, 4096);
        all.reserved += whole;
        if (all.open)
            all.let_reach(true);
    }
    auto& made = all.pieces[p] = {bytes, whole, false};
    std::memset(all.own(p) + bytes, pool::none, made.margin());
    if (from_pool) {
        std::memset(all.own(p), pool::none, bytes);
        all.used += bytes;
        all.most = std::max(all.most, all.used);
    }
    return p;
}

void release(void* p, stream& after) {
    auto& all = pool::one();
    auto const at = all.pieces.find(static_cast<std::byte*>(p));
    if (at == all.pieces.end() || at->second.freed)
        undefined("memory is freed that is not, or no longer, there");
    at->second.freed = true;
    all.used -= at->second.bytes;
    after.add([p = at->first] {
        auto& of = pool::one();
        auto const freed = of.pieces.at(p);
        auto* const own = of.own(p);
        auto* const end = own + freed.bytes;
        if (std::any_of(end, end + freed.margin(), [](std::byte b) { return b != std::byte(pool::none); }))
            undefined("something wrote behind the end of " + std::to_string(freed.bytes) + " bytes");
        std::memset(own, pool::none, freed.bytes);
        auto const whole = freed.whole;
        of.pieces.erase(p);
        of.kept[whole].push_back(p);
    });
}

void trim() {
    auto& all = pool::one();
    for (auto& [whole, kept] : all.kept) {
        all.reserved -= whole * kept.size();
        for (auto* p : kept) // the addresses are not taken again
            madvise(all.own(p), whole / 4096 * 4096, MADV_REMOVE);
        kept.clear();
    }
}

bool holds(void const* p, std::size_t bytes) {
    auto& all = pool::one();
    auto* const from = static_cast<std::byte*>(const_cast<void*>(p));
    auto at = all.pieces.upper_bound(from);
    if (at == all.pieces.begin())
        return false;
    --at;
    return !at->second.freed && from + bytes <= at->first + at->second.bytes;
}

void* allocate_pinned(std::size_t bytes) {
    auto* const p = static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096));
    pool::one().pinned[p] = bytes;
    return p;
}

bool is_pinned(void const* p, std::size_t bytes) {
    auto const* const from = static_cast<std::byte const*>(p);
    auto at = pool::one().pinned.upper_bound(from);
    if (at == pool::one().pinned.begin())
        return false;
    --at;
    return from + bytes <= at->first + at->second;
}

reach::reach() {
    if (pool::one().open++ == 0)
        pool::one().let_reach(true);
}
reach::~reach() {
    if (--pool::one().open == 0)
        pool::one().let_reach(false);
}

} // namespace memory

// --- blocks ----------------------------------------------------------------------------------------------------------

namespace {

/// Threads of one block at a time. A fiber goes from thread to thread; where one has to wait the fiber stays with it,
/// and another goes on to the next thread.
class crew {
public:
    unsigned turned = 0; ///< how often

    static crew& one() {
        static crew& the = *new crew;
        return the;
    }

    void run_block(unsigned count, std::function<void()> const& body) {
        body_ = &body;
        threads_.assign(count, {});
        started_ = finished_ = 0;
        backwards_ = (blockIdx.x + turned) % 2 != 0;
        while (started_ < count)
            resume(idle());
        while (finished_ < count) {
            bool const went_on = warps() || whole_block();
            if (!went_on)
                undefined("threads of a block wait for others that never come (" + std::to_string(finished_) + " of " +
                          std::to_string(count) + " are at their end)");
        }
    }

    void wait_for_block() { wait(what::block); }

    std::uint64_t exchange(unsigned lanes, std::uint64_t sent, unsigned apart) {
        if (lanes != 0xffffffffu)
            undefined("a shuffle among some lanes, which this stand-in does not know");
        auto const me = threadIdx.x;
        threads_[me].number = sent;
        threads_[me].apart = apart;
        wait(what::warp);
        return threads_[me].number;
    }

private:
    enum class what { nothing, block, warp };
    struct thread {
        what waits = what::nothing;
        std::size_t fiber = 0;
        std::uint64_t number = 0; ///< sent, then received
        unsigned apart = 0;
    };

    void wait(what for_what) {
        auto const me = threadIdx.x;
        auto const fiber = running_;
        threads_[me].waits = for_what;
        threads_[me].fiber = fiber;
        callers_[fiber] = std::move(callers_[fiber]).resume();
        threadIdx.x = me;
    }

    /// A fiber that has no thread.
    std::size_t idle() {
        if (idle_.empty()) {
            auto const number = fibers_.size();
            callers_.emplace_back();
            fibers_.emplace_back(boost::context::fiber([this, number](boost::context::fiber&& caller) {
                callers_[number] = std::move(caller);
                for (;;) {
                    while (started_ < threads_.size()) {
                        auto const i = started_++;
                        threadIdx.x = static_cast<unsigned>(backwards_ ? threads_.size() - 1 - i : i);
                        (*body_)();
                        ++finished_;
                    }
                    idle_.push_back(number);
                    callers_[number] = std::move(callers_[number]).resume();
                }
                return std::move(callers_[number]);
            }));
            idle_.push_back(number);
        }
        auto const number = idle_.back();
        idle_.pop_back();
        return number;
    }

    void resume(std::size_t fiber) {
        running_ = fiber;
        fibers_[fiber] = std::move(fibers_[fiber]).resume();
    }

    /// Warps whose lanes have all come to a shuffle go on.
    bool warps() {
        bool any = false;
        for (std::size_t first = 0; first < threads_.size(); first += 32) {
            auto* const lanes = threads_.data() + first;
            auto const count = std::min<std::size_t>(32, threads_.size() - first);
            auto const here =
                std::count_if(lanes, lanes + count, [](thread const& t) { return t.waits == what::warp; });
            if (static_cast<std::size_t>(here) < count || count < 32)
                continue;
            std::uint64_t received[32];
            for (std::size_t l = 0; l < 32; ++l) {
                if (lanes[l].apart != lanes[0].apart)
                    undefined("lanes of a warp are at different shuffles");
                received[l] = lanes[l ^ lanes[l].apart].number;
            }
            for (std::size_t l = 0; l < 32; ++l)
                lanes[l].number = received[l];
            go_on(first, 32);
            any = true;
        }
        return any;
    }

    bool whole_block() {
        if (!std::ranges::all_of(threads_, [](thread const& t) { return t.waits == what::block; }))
            return false;
        go_on(0, threads_.size());
        return true;
    }

    void go_on(std::size_t first, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            auto& t = threads_[first + (backwards_ ? count - 1 - i : i)];
            t.waits = what::nothing;
            resume(t.fiber);
        }
    }

    std::function<void()> const* body_ = nullptr;
    std::vector<thread> threads_;
    std::size_t started_ = 0, finished_ = 0, running_ = 0;
    bool backwards_ = false;
    std::deque<boost::context::fiber> fibers_, callers_;
    std::vector<std::size_t> idle_;
};

std::map<std::string, int, std::less<>>& failures() { // the status of a function's next call
    static std::map<std::string, int, std::less<>> the;
    return the;
}

} // namespace

void run_blocks(unsigned blocks, unsigned threads, std::function<void()> const& thread) {
    auto& all = crew::one();
    gridDim = {blocks, 1, 1};
    blockDim = {threads, 1, 1};
    for (unsigned b = 0; b < blocks; ++b) {
        blockIdx.x = all.turned % 2 ? b : blocks - 1 - b;
        std::fill(__start_shared_of_block, __stop_shared_of_block, static_cast<char>(0xff));
        all.run_block(threads, thread);
    }
}

void turn_round() { ++crew::one().turned; }

void wait_for_block() { crew::one().wait_for_block(); }

std::uint64_t exchange_in_warp(unsigned lanes, std::uint64_t sent, unsigned apart) {
    return crew::one().exchange(lanes, sent, apart);
}

void let_fail(std::string const& function, int status) { failures()[function] = status; }

int failing(char const* function) {
    auto const at = failures().find(std::string_view(function));
    return at == failures().end() ? 0 : std::exchange(at->second, 0);
}

} // namespace stand_in
