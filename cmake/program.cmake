# engraft_program: what the project's own programs (tests, examples, benchmarks) add to the library.
# Nothing of this reaches users: warnings are for us.

add_library(engraft_program INTERFACE)
target_link_libraries(engraft_program INTERFACE engraft::engraft)

set(ENGRAFT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_DEBUG}" MATCHES "-fsanitize=")
    # GCC says of this warning that sanitizers make it wrong more often; it is, in <regex> and <functional>.
    list(APPEND ENGRAFT_WARNINGS -Wno-maybe-uninitialized)
endif()
if(ENGRAFT_WERROR)
    list(APPEND ENGRAFT_WARNINGS -Werror)
endif()
# clang contracts a * b + c where a processor can, which the source does not ask for.
target_compile_options(engraft_program INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${ENGRAFT_WARNINGS};-ffp-contract=off>")

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC looks through all that it has read, precompiled headers too, whenever it has grown by some: a tenth of its time.
    target_compile_options(engraft_program INTERFACE $<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=1000000>)
endif()
set(ENGRAFT_CUDA_HOST_OPTIONS)
if(NOT CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX} AND NOT DEFINED ENV{NVCC_CCBIN}) # nvcc takes GCC then
    set(ENGRAFT_CUDA_HOST_OPTIONS -Xcompiler=--param=ggc-min-heapsize=1000000)
    target_compile_options(engraft_program INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:${ENGRAFT_CUDA_HOST_OPTIONS}>)
endif()

# What the backends of the host compute, once: programs that include kernels.hpp link it. The preset long does without, as
# users do.
add_library(engraft_kernels INTERFACE)
if(NOT ENGRAFT_LONG_TESTS)
    add_library(engraft_kernels_objects STATIC ${CMAKE_CURRENT_LIST_DIR}/kernels.cpp)
    target_link_libraries(engraft_kernels_objects PRIVATE engraft_program)
    target_compile_options(engraft_kernels_objects PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O2>)
    target_link_libraries(engraft_kernels INTERFACE engraft_kernels_objects)
endif()
function(engraft_precompile_headers TARGET) # and kernels.hpp, where these are compiled
    target_precompile_headers(${TARGET} PRIVATE ${ARGN})
    if(TARGET engraft_kernels_objects)
        target_precompile_headers(${TARGET} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/kernels.hpp)
    endif()
endfunction()
