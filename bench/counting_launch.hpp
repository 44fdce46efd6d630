#pragma once

// The CUDA backend without a GPU: all that the host does for one, and nothing else. Kernels are counted and not run,
// memory is counted and not there, numbers that are read back are 0.

#include <cstddef>

#include <engraft/engraft.hpp>

#include <engraft/backend/cuda/launched.hpp>
#include <engraft/backend/planning.hpp>

namespace bench {

struct counted_memory : engraft::no_memory {
    inline static std::size_t uploads = 0, uploaded_bytes = 0;

    static void from_host(void* to, void const* from, std::size_t bytes) {
        ++uploads, uploaded_bytes += bytes;
        no_memory::from_host(to, from, bytes);
    }
};

struct counting_launch {
    using memory_type = counted_memory;
    static constexpr std::size_t panel_rows = 256, panels_together = 16, lines_together = std::size_t(1) << 23;

    inline static std::size_t launches = 0;

    static char const* name() { return "no GPU"; }

    template <class F>
    static void each(std::size_t n, F const&) {
        launches += n > 0;
    }
    template <class F>
    static void each_warp(std::size_t n, F const&) {
        launches += n > 0;
    }
    template <class F>
    static void each_block(std::size_t n, F const&) {
        launches += n > 0;
    }

    template <engraft::numeric_policy>
    struct product {
        bool back = false;
        static bool plain() { return false; }
    };
    template <engraft::numeric_policy Numbers, class Storage>
    static product<Numbers> prepare(engraft::matrix<Storage>, bool back) {
        return {back};
    }
    template <engraft::numeric_policy Numbers, class T, class Storage>
    static void multiply(T*, Storage const*, std::size_t, engraft::matrix<Storage const>, product<Numbers> const&) {
        ++launches;
    }
};

template <engraft::numeric_policy Numbers>
using counting = engraft::launched<Numbers, counting_launch>;

/// Bytes of tensors that a model of this shape, its clean run for sweeps with q, and a run with z take.
template <engraft::description const& D, engraft::numeric_policy Numbers>
double bytes_of_runs(engraft::batch const& tokens) {
    auto const before = engraft::no_memory::held();
    engraft::model<D, counting<Numbers>> const model(engraft::empty_weights<D, counting<Numbers>>());
    auto const clean = model.run(tokens, engraft::capture_for_sweeps<D>() | engraft::capture(engraft::q));
    auto const noise = model.run(tokens, engraft::capture(engraft::z));
    return static_cast<double>(engraft::no_memory::held() - before);
}

} // namespace bench
