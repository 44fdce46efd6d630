# Calls a compiler without making code: sets `result` and `output`. Included by the two scripts beside it.
#   COMPILER           which
#   SOURCE             on what; or, instead,
#   PRECOMPILE         a header to precompile, beside itself
#   PRECOMPILED        such a header, to be included first; without either, headers have the bodies of their functions
#   FOLDERS            a file that sets ENGRAFT_FOLDERS, the folders to include from (cmake/tests.cmake writes it)
#   DEFINE             a macro to define, if any
cmake_minimum_required(VERSION 3.25...3.31)
include("${FOLDERS}")

set(ENV{LC_ALL} C) # messages are read below, in English
set(arguments -std=c++20 -Wall -Wextra -Wpedantic -Wshadow)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH project)
foreach(folder IN LISTS ENGRAFT_FOLDERS)
    cmake_path(IS_PREFIX project "${folder}" NORMALIZE ours)
    if(ours)
        list(APPEND arguments "-I${folder}")
    else()
        list(APPEND arguments -isystem "${folder}") # warnings of other libraries are not our matter
    endif()
endforeach()
if(DEFINED DEFINE)
    list(APPEND arguments -D${DEFINE})
endif()

# Bodies in a precompiled header would be instantiated by every source that includes it, which takes seconds.
if(DEFINED PRECOMPILE OR DEFINED PRECOMPILED)
    list(APPEND arguments -DENGRAFT_COMPILED)
endif()
if(DEFINED PRECOMPILE)
    set(SOURCE "${PRECOMPILE}") # for messages
    list(APPEND arguments -x c++-header "${PRECOMPILE}" -o "${PRECOMPILE}.gch") # clang looks for this name, too
elseif(DEFINED PRECOMPILED)
    list(APPEND arguments -Winvalid-pch -include "${PRECOMPILED}" -fsyntax-only "${SOURCE}")
else()
    list(APPEND arguments -fsyntax-only "${SOURCE}")
endif()

execute_process(
    COMMAND "${COMPILER}" ${arguments}
    RESULT_VARIABLE result
    OUTPUT_VARIABLE output
    ERROR_VARIABLE output)
