#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

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

/// Ordinary memory, aligned for vector instructions.
struct host_memory {
    static constexpr bool host_accessible = true;
    static constexpr std::size_t alignment = 64;

    static void* allocate(std::size_t bytes) {
        if (bytes == 0)
            return nullptr;
        if (bytes > std::numeric_limits<std::size_t>::max() - alignment)
            throw std::bad_alloc();
        void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
        if (!p)
            throw std::bad_alloc();
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
