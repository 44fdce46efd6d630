# engraft_program: what the project's own programs (tests, examples, benchmarks) add to the library.
# Nothing of this reaches users: warnings are for us, and a processor's instructions are the user's choice.
include(CheckCXXCompilerFlag)

add_library(engraft_program INTERFACE)
target_link_libraries(engraft_program INTERFACE engraft::engraft)

set(ENGRAFT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow)
if(NOT OpenMP_CXX_FOUND)
    list(APPEND ENGRAFT_WARNINGS -Wno-unknown-pragmas) # `#pragma omp` is then meant to be skipped
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_DEBUG}" MATCHES "-fsanitize=")
    # GCC says of this warning that sanitizers make it wrong more often; it is, in <regex> and <functional>.
    list(APPEND ENGRAFT_WARNINGS -Wno-maybe-uninitialized)
endif()
if(ENGRAFT_WERROR)
    list(APPEND ENGRAFT_WARNINGS -Werror)
endif()
target_compile_options(engraft_program INTERFACE ${ENGRAFT_WARNINGS})

if(ENGRAFT_NATIVE)
    check_cxx_compiler_flag(-march=native ENGRAFT_HAS_NATIVE)
    if(ENGRAFT_HAS_NATIVE)
        target_compile_options(engraft_program INTERFACE -march=native)
    endif()
endif()
