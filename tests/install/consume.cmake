# Builds and runs the consumer project from nothing.
cmake_minimum_required(VERSION 3.25...3.31)

function(must_run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        list(JOIN ARGN " " command)
        message(NOTICE "${output}")
        message(FATAL_ERROR "exit code ${result}: ${command}")
    endif()
endfunction()

foreach(flags CXXFLAGS CPPFLAGS LDFLAGS DESTDIR)
    unset(ENV{${flags}}) # a user's project starts with its own
endforeach()
file(REMOVE_RECURSE "${WORK}")
set(linker)

if(WAY STREQUAL "package")
    must_run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
    file(GLOB_RECURSE installed "${WORK}/prefix/*")
    list(FILTER installed EXCLUDE REGEX "\\.a$") # what a debugger is told may name it
    foreach(file IN LISTS installed)
        file(READ "${file}" text)
        string(FIND "${text}" "${SOURCE}/" at)
        if(NOT at EQUAL -1)
            message(FATAL_ERROR "an installed file names the source tree, so it works only where that is: ${file}")
        endif()
    endforeach()
    set(from "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DENGRAFT_VERSION=${VERSION}")
    if(SANITIZER)
        set(linker "-DCMAKE_EXE_LINKER_FLAGS=${SANITIZER}")
    endif()
else()
    set(from "-DENGRAFT_FOLDER=${SOURCE}")
endif()

must_run("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK}/build" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}"
         -DCMAKE_BUILD_TYPE=Debug -DCMAKE_EXPORT_COMPILE_COMMANDS=ON ${from} ${linker})
must_run("${CMAKE_COMMAND}" --build "${WORK}/build")
foreach(program consumer consumer_header_only)
    must_run("${WORK}/build/${program}" "${SOURCE}/examples/pair")
endforeach()

# Our warnings and our processor are not the user's.
file(READ "${WORK}/build/compile_commands.json" commands)
if(commands MATCHES " (-W[a-z]+|-march=[a-z0-9-]+)")
    message(FATAL_ERROR "the user's program is compiled with ${CMAKE_MATCH_1}")
endif()
