#pragma once

/// Where the bodies of io's ordinary functions live: in the headers, unless ENGRAFT_COMPILED_IO says that the program
/// links `engraft_io`, which compiles them once (io/source/io.cpp).
#ifdef ENGRAFT_COMPILED_IO
#define ENGRAFT_IO
#else
#define ENGRAFT_IO inline
#endif
