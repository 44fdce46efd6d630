#pragma once

#include <engraft/run/gradient_beside.hpp>
#include <engraft/run/sweep.hpp>

/// What every program with a described model compiles: its passes and its sweeps, whatever the policies. Where they
/// stand in a library of their own (engraft_describe makes one), an experiment compiles its own lines only.
/// HOW: `template`, in the one source that compiles them, or `extern template` in all others.
#define ENGRAFT_PASSES(HOW, DESCRIPTION, ...)                                                                          \
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
