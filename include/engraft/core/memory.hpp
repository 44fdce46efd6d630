#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace engraft {

/// Where the elements of a tensor live. A memory allocates and frees bytes and moves them to and from the host;
/// only a memory with `host_accessible` lets anybody dereference its pointers.
template <class M>
concept memory = requires(void* to, void const* from, std::size_t bytes) {
    { M::host_accessible } -> std::convertible_to<bool>;
    { M::allocate(bytes) } -> std::same_as<void*>;
    { M::deallocate(to) }
    noexcept;
    M::from_host(to, from, bytes);
    M::to_host(to, from, bytes);
};

/// Ordinary memory, aligned for vector instructions. Large pieces ask the system for large pages: a fresh page costs
/// a fault, and rows that stand far apart a miss in the table of pages.
struct host_memory {
    static constexpr bool host_accessible = true;
    static constexpr std::size_t alignment = 64;
    static constexpr std::size_t page = std::size_t(1) << 21;  ///< a large one
    static constexpr std::size_t large = std::size_t(1) << 22; ///< less would waste much of its last page

    static void* allocate(std::size_t bytes) {
        if (bytes == 0)
            return nullptr;
        if (bytes > std::numeric_limits<std::size_t>::max() - alignment)
            throw std::bad_alloc();
        bool const in_pages = bytes >= large;
        auto const whole = (bytes + alignment - 1) / alignment * alignment;
        void* p = nullptr;
        if (::posix_memalign(&p, in_pages ? page : alignment, whole) != 0)
            throw std::bad_alloc();
#if defined(__linux__)
        if (in_pages)
            ::madvise(p, whole, MADV_HUGEPAGE); // only a wish
#endif
        return p;
    }
    static void deallocate(void* p) noexcept { std::free(p); }
    static void from_host(void* to, void const* from, std::size_t bytes) {
        if (bytes)
            std::memcpy(to, from, bytes);
    }
    static void to_host(void* to, void const* from, std::size_t bytes) { from_host(to, from, bytes); }
};

} // namespace engraft
