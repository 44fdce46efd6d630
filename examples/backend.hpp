#pragma once

// What the example programs compute on: the CPU, or a GPU where CMake was given ENGRAFT_EXAMPLES_CUDA.

#include <engraft/engraft.hpp>

namespace example {

#ifdef ENGRAFT_EXAMPLE_NUMBERS // fp32, tf32 or bf16; the sources are compiled by nvcc

using backend = engraft::cuda<engraft::ENGRAFT_EXAMPLE_NUMBERS>;
inline backend backend_with(int /*threads*/) { return backend(); }
/// Until what was asked for is done: for who measures.
inline void wait() { backend::wait(); }

#else

using backend = engraft::cpu<engraft::fp32>;
inline backend backend_with(int threads) { return backend(threads); }
inline void wait() {}

#endif

} // namespace example
