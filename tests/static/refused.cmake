# Each of the SOURCES is refused, and its first error has its id. SOURCE includes all of them and is compiled once, which
# takes a twentieth of the time; a source that shares the instantiation that fails with one before it, whose error this
# then is, is compiled by itself. Other arguments: those of compile.cmake, without DEFINE.
cmake_minimum_required(VERSION 3.25...3.31)
include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/compile.cmake")

if(result EQUAL 0)
    message(FATAL_ERROR "${SOURCE} must not compile, but ${COMPILER} takes it")
endif()
file(WRITE "${SOURCE}.messages" "${output}")
execute_process(COMMAND awk -f "${CMAKE_CURRENT_LIST_DIR}/first_errors.awk" "${SOURCE}.messages"
                OUTPUT_VARIABLE errors COMMAND_ERROR_IS_FATAL ANY)

set(alone)
foreach(source IN LISTS SOURCES)
    cmake_path(GET source STEM LAST_ONLY id)
    string(FIND "\n${errors}" "\n${id}.cpp\t" at)
    if(at EQUAL -1)
        list(APPEND alone ${id})
        execute_process(
            COMMAND "${CMAKE_COMMAND}" -D "COMPILER=${COMPILER}" -D "FOLDERS=${FOLDERS}" -D "PRECOMPILED=${PRECOMPILED}"
                    -D "SOURCE=${source}" -D "ID=${id}" -P "${CMAKE_CURRENT_LIST_DIR}/../../cmake/must_not_compile.cmake"
            COMMAND_ERROR_IS_FATAL ANY)
        continue()
    endif()
    string(SUBSTRING "${errors}" ${at} -1 error)
    string(REGEX REPLACE "\n.*" "" error "${error}")
    string(FIND "${error}" "engraft [${id}]" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "the first error of ${COMPILER} must contain \"engraft [${id}]\", but it is:\n${error}")
    endif()
endforeach()
list(LENGTH SOURCES count)
message(STATUS "${count} sources are refused for what they are there for; compiled alone: ${alone}")
