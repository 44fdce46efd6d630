#pragma once

/// Marks what runs on the host and, where nvcc compiles the program, on a GPU too.
#if defined(__CUDACC__)
#define ENGRAFT_HOST_DEVICE __host__ __device__
#else
#define ENGRAFT_HOST_DEVICE
#endif

/// Marks what a kernel is made of: on a GPU only where nvcc compiles the program, and on the host only elsewhere.
#if defined(__CUDACC__)
#define ENGRAFT_DEVICE __device__
#else
#define ENGRAFT_DEVICE
#endif
