#pragma once

// Launches kernels on the host, in plain loops, over memory that only they can reach: everything of the CUDA backend
// but the launching itself, the matrix products of cuBLASLt and the memory of a GPU.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include <engraft/backend/cuda/launched.hpp>

namespace eg = engraft;

/// Stands for a GPU's memory: reading or writing it outside of a kernel or a copy ends the program. New memory is full
/// of NaN.
class far_memory {
public:
    static constexpr bool host_accessible = false;

    static void* allocate(std::size_t bytes) {
        if (bytes == 0)
            return nullptr;
        auto& a = arena::one();
        reach const now;
        bytes =
            std::bit_ceil(bytes < 256 ? 256 : bytes); // few sizes, so that little memory is used, and protected, at all
        auto& free = a.free[bytes];
        std::byte* p = nullptr;
        if (!free.empty()) {
            p = free.back();
            free.pop_back();
        } else {
            if (bytes > arena::size - a.used)
                throw std::bad_alloc();
            p = a.base + a.used;
            a.used += bytes;
            a.protect(PROT_READ | PROT_WRITE);
        }
        a.taken[p] = bytes;
        std::memset(p, 0xff, bytes);
        return p;
    }
    static void deallocate(void* p) noexcept {
        if (!p)
            return;
        auto& a = arena::one();
        auto const at = a.taken.find(static_cast<std::byte*>(p));
        a.free[at->second].push_back(at->first);
        a.taken.erase(at);
    }
    static void from_host(void* to, void const* from, std::size_t bytes) { move(to, from, bytes); }
    static void to_host(void* to, void const* from, std::size_t bytes) { move(to, from, bytes); }

    /// While it lives, the memory can be reached.
    struct reach {
        reach() {
            if (arena::one().open++ == 0)
                arena::one().protect(PROT_READ | PROT_WRITE);
        }
        ~reach() {
            if (--arena::one().open == 0)
                arena::one().protect(PROT_NONE);
        }
        reach(reach const&) = delete;
        reach& operator=(reach const&) = delete;
    };

private:
    struct arena {
        static constexpr std::size_t size = std::size_t(1) << 30;

        static arena& one() {
            static arena& a = *new arena; // tensors of static duration outlive it otherwise
            return a;
        }
        arena() {
            void* const all = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (all == MAP_FAILED)
                throw std::bad_alloc();
            base = static_cast<std::byte*>(all);
        }
        void protect(int how) {
            if (used > 0 && mprotect(base, (used + 4095) / 4096 * 4096, how) != 0)
                throw std::runtime_error("mprotect failed");
        }

        std::byte* base = nullptr;
        std::size_t used = 0;
        int open = 0;
        std::map<std::size_t, std::vector<std::byte*>> free;
        std::map<std::byte*, std::size_t> taken;
    };

    static void move(void* to, void const* from, std::size_t bytes) {
        reach const now;
        if (bytes)
            std::memcpy(to, from, bytes);
    }
};

/// Loops, the last index first or the first. Panels are low, so that few rows fill one and the next is begun.
struct host_launch {
    using memory_type = far_memory;
    static constexpr std::size_t panel_rows = 4, panels_together = 3;
    static constexpr std::size_t lines_together = 4000; // so few that batches of the tests take several turns

    bool plain_products = false;
    bool first_first = false;

    static char const* name() { return "kernels on the host"; }

    template <class F>
    void each(std::size_t n, F const& f) const {
        far_memory::reach const now;
        for (std::size_t i = 0; i < n; ++i)
            f(first_first ? i : n - 1 - i);
    }
    template <class F>
    void each_warp(std::size_t n, F const& f) const {
        each(n, [&](std::size_t i) { f(eg::kernels::host_warp{}, i); });
    }

    template <class F>
    void each_block(std::size_t n, F const& f) const {
        using T = typename F::shared_type;
        std::vector<T> shared(F::shared_elements);
        each(n, [&](std::size_t i) {
            std::fill(shared.begin(), shared.end(), std::numeric_limits<T>::quiet_NaN());
            f(eg::kernels::host_block<T>{shared.data()}, i);
        });
    }

    template <eg::numeric_policy>
    struct product {
        bool is_plain = false;
        bool back = false;
        bool plain() const { return is_plain; }
    };
    template <eg::numeric_policy Numbers, class Storage>
    product<Numbers> prepare(eg::matrix<Storage>, bool back) const {
        return {plain_products, back};
    }

    template <eg::numeric_policy Numbers, class T, class Storage>
    void multiply(T* out, Storage const* in, std::size_t panels, eg::matrix<Storage const> weight,
                  product<Numbers> const& how) const {
        if (panels == 0 || panels > panels_together)
            throw std::runtime_error("a product of none or too many panels");
        if (reinterpret_cast<std::uintptr_t>(in) % 16 != 0 || reinterpret_cast<std::uintptr_t>(out) % 16 != 0)
            throw std::runtime_error("a product of memory that is not aligned");
        far_memory::reach const now;
        auto const [width, wide] =
            how.back ? std::pair(weight.rows, weight.columns) : std::pair(weight.columns, weight.rows);
        for (std::size_t r = 0; r < panels * panel_rows; ++r)
            for (std::size_t o = 0; o < wide; ++o) {
                T sum = 0;
                for (std::size_t c = 0; c < width; ++c) {
                    auto const& w = how.back ? eg::kernels::at(weight, c, o) : eg::kernels::at(weight, o, c);
                    sum += static_cast<T>(eg::kernels::widened(in[r * width + c])) *
                           static_cast<T>(eg::kernels::widened(w));
                }
                out[r * wide + o] = sum;
            }
    }
};
