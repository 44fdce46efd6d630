#pragma once

// A stand-in for a GPU: streams whose work is done as late as CUDA allows, blocks whose threads wait for each other,
// and memory that the host can't reach. cuda_runtime.h and cublasLt.h beside it are the part of CUDA's interface that
// engraft calls, in its own words, so that an ordinary compiler makes an ordinary program of a .cu source. It ends the
// program, with a sentence, at much of what a GPU would leave undefined.
//
// What it can't show: races between threads that no barrier parts and kernels that read the host's memory
// (compute-sanitizer shows both), what nvcc makes of the source, and the numbers of cuBLASLt's own kernels.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

namespace stand_in {

/// Ends the program: what was done is undefined on a GPU.
[[noreturn]] void undefined(std::string const& what);

/// Work in order. A stream does nothing before somebody waits for it, or too much is asked for.
class stream {
public:
    static constexpr std::size_t places = 1000; ///< a launch when these are taken waits until one is free

    void add(std::function<void()> work);
    void run_until(std::uint64_t count);
    void wait() { run_until(asked_); }
    std::uint64_t asked() const { return asked_; }

private:
    std::deque<std::function<void()>> work_;
    std::uint64_t asked_ = 0, done_ = 0;
};

struct event {
    stream* of = nullptr; ///< none: never recorded
    std::uint64_t count = 0;

    void wait() const {
        if (of)
            of->run_until(count);
    }
};

/// The GPU's memory, of a size that tests may choose. New memory is full of NaN. Freed memory stays with the pool, for
/// the same sizes only, until that is trimmed.
namespace memory {
void limit(std::size_t bytes); ///< of all that the pool has, in use or kept
std::size_t limit();
std::size_t used();      ///< by tensors
std::size_t most_used(); ///< since `forget_most`
std::size_t reserved();  ///< used, kept, or freed by work that is not done
/// Null where there is not so much. from_pool: filled with NaN, and to be released; what is not is kept for good
void* allocate(std::size_t bytes, bool from_pool);
void release(void* p, stream& after); ///< when the stream gets there
void trim();
void forget_most();
/// [p, p + bytes) is in one piece of this memory that is not freed, by what the host has asked for so far.
bool holds(void const* p, std::size_t bytes);

void* allocate_pinned(std::size_t bytes);
bool is_pinned(void const* p, std::size_t bytes);

/// While it lives, the memory can be reached: by the work of streams.
class reach {
public:
    reach();
    ~reach();
    reach(reach const&) = delete;
    reach& operator=(reach const&) = delete;
};
} // namespace memory

/// Runs `thread` for every thread of every block, one block after the other; threadIdx and blockIdx say which. Shared
/// memory is full of NaN before each block, where the compiler lets it be found (clang does).
void run_blocks(unsigned blocks, unsigned threads, std::function<void()> const& thread);

/// From now on blocks and threads come in the reverse of the order before.
void turn_round();

/// Waits until all threads of the block are here.
void wait_for_block();

/// What the lane beside has sent, when all lanes of the warp are here: `apart` is added to the lane, without carrying.
std::uint64_t exchange_in_warp(unsigned lanes, std::uint64_t sent, unsigned apart);

/// Lets the next call of a function fail with a status, of cudaError_t or cublasStatus_t.
void let_fail(std::string const& function, int status);
/// The status to fail with, once, or 0.
int failing(char const* function);

} // namespace stand_in
