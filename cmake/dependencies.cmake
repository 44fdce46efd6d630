# Finds the libraries that the headers include and lists their targets: ENGRAFT_ENGINE_DEPENDENCIES for the engine and,
# if ENGRAFT_FILES is set, ENGRAFT_FILES_DEPENDENCIES for what reads files.
# The build and the installed package (engraftConfig.cmake) both include this file, so the two can not drift apart.
# What only the project's own programs need (CLI11, Catch2, Google Benchmark) is found where it is used.

macro(engraft_find)
    if(CMAKE_FIND_PACKAGE_NAME STREQUAL "engraft")
        find_dependency(${ARGV}) # reports to the find_package(engraft) that is running
    else()
        find_package(${ARGV} REQUIRED)
    endif()
endmacro()

engraft_find(Boost 1.74) # headers only: Hana
set(THREADS_PREFER_PTHREAD_FLAG ON)
engraft_find(Threads)
set(ENGRAFT_ENGINE_DEPENDENCIES Boost::headers Threads::Threads)

if(NOT ENGRAFT_FILES)
    return()
endif()
engraft_find(xtensor 0.24)
engraft_find(nlohmann_json 3.10)

# These two bring no CMake package in the distributions that matter here, only a pkg-config file.
engraft_find(PkgConfig)
foreach(module PCRE2:libpcre2-8 UTF8PROC:libutf8proc)
    string(REPLACE ":" ";" module "${module}")
    list(GET module 0 name)
    list(GET module 1 library)
    if(CMAKE_FIND_PACKAGE_NAME STREQUAL "engraft")
        pkg_check_modules(ENGRAFT_${name} QUIET IMPORTED_TARGET ${library})
        if(NOT ENGRAFT_${name}_FOUND)
            set(engraft_FOUND FALSE)
            set(engraft_NOT_FOUND_MESSAGE "engraft needs ${library}, which pkg-config does not find")
            return()
        endif()
    else()
        pkg_check_modules(ENGRAFT_${name} REQUIRED IMPORTED_TARGET ${library})
    endif()
endforeach()

set(ENGRAFT_FILES_DEPENDENCIES xtensor nlohmann_json::nlohmann_json PkgConfig::ENGRAFT_PCRE2 PkgConfig::ENGRAFT_UTF8PROC)
