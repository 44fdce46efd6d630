#pragma once

#include <engraft/engraft.hpp>

/// What every program with a described model compiles, whatever its policies: loading, passes, sweeps. Where these
/// stand in a library of their own, an experiment compiles its own lines only. `engraft_describe(... PASSES)` makes one;
/// without CMake, one source has
///
///     ENGRAFT_PASSES(template, smollm, engraft::default_backend)
///
/// and all others the same with `extern template`, outside of namespaces. The description has external linkage, as
/// `inline constexpr` has.
#define ENGRAFT_PASSES(HOW, DESCRIPTION, ...)                                                                          \
    HOW engraft::loaded_model<DESCRIPTION, __VA_ARGS__> engraft::load<DESCRIPTION, __VA_ARGS__>(                       \
        std::filesystem::path const&, __VA_ARGS__);                                                                    \
    HOW class engraft::detail::forward_pass<DESCRIPTION, __VA_ARGS__, engraft::detail::no_hooks>;                      \
    HOW class engraft::detail::forward_pass<DESCRIPTION, __VA_ARGS__, engraft::detail::hooks<__VA_ARGS__>>;            \
    HOW class engraft::detail::forward_pass<DESCRIPTION, __VA_ARGS__, engraft::detail::hooks<__VA_ARGS__>,             \
                                            engraft::detail::rows_beside<DESCRIPTION, __VA_ARGS__>>;                   \
    HOW class engraft::detail::adjoint_pass<DESCRIPTION, __VA_ARGS__>;                                                 \
    HOW class engraft::detail::adjoint_pass<DESCRIPTION, __VA_ARGS__,                                                  \
                                            engraft::detail::rows_beside<DESCRIPTION, __VA_ARGS__>>;                   \
    HOW class engraft::detail::metric_reader<DESCRIPTION, __VA_ARGS__>;                                                \
    HOW class engraft::detail::sweep_pass<DESCRIPTION, __VA_ARGS__>;                                                   \
    HOW class engraft::detail::sweep_cutter<DESCRIPTION, __VA_ARGS__>;                                                 \
    HOW class engraft::detail::engine<DESCRIPTION, __VA_ARGS__>;                                                       \
    HOW class engraft::detail::sweeper<DESCRIPTION, __VA_ARGS__>;                                                      \
    HOW struct engraft::detail::gradient_of_run<DESCRIPTION, __VA_ARGS__>;
