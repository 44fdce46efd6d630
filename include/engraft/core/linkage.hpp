#pragma once

/// Where the bodies of functions that are no templates live: in the headers, unless ENGRAFT_COMPILED says that the
/// program links them, compiled once: those of the engine (engine.cpp), and those of files and tasks (engraft.cpp).
#ifdef ENGRAFT_COMPILED
#define ENGRAFT_BODY
#else
#define ENGRAFT_BODY inline
#endif

// All sources of a program have the bodies one way, or the link fails: where they are in the headers, each source
// brings a symbol of which the linker keeps one; where they are not, each asks for engine.cpp, which defines that symbol
// too.
#ifdef __ELF__
#ifdef ENGRAFT_COMPILED
__asm__(".globl engraft_is_linked");
#else
__asm__(".pushsection .rodata.engraft,\"aG\",%progbits,engraft_in_headers,comdat\n"
        ".globl engraft_is_in_headers_or_linked_but_not_both\n"
        ".hidden engraft_is_in_headers_or_linked_but_not_both\n"
        "engraft_is_in_headers_or_linked_but_not_both:\n"
        ".byte 0\n"
        ".popsection");
#endif
#endif
