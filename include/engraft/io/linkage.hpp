#pragma once

/// Where the bodies of io's ordinary functions live: in the headers, unless ENGRAFT_COMPILED_IO says that the program
/// links `engraft_io`, which compiles them once (io/source/io.cpp).
#ifdef ENGRAFT_COMPILED_IO
#define ENGRAFT_IO
#else
#define ENGRAFT_IO inline
#endif

// All sources of a program have the bodies one way, or the link fails: where they are in the headers, each source
// brings a symbol of which the linker keeps one; where they are not, each asks for engraft_io, which defines that
// symbol too.
#ifdef __ELF__
#ifdef ENGRAFT_COMPILED_IO
__asm__(".globl engraft_io_is_linked");
#else
__asm__(".pushsection .rodata.engraft_io,\"aG\",%progbits,engraft_io_in_headers,comdat\n"
        ".globl engraft_io_is_in_headers_or_linked_but_not_both\n"
        ".hidden engraft_io_is_in_headers_or_linked_but_not_both\n"
        "engraft_io_is_in_headers_or_linked_but_not_both:\n"
        ".byte 0\n"
        ".popsection");
#endif
#endif
