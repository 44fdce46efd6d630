# Helpers of tests/CMakeLists.txt.

# engraft_together(FILE SOURCE...): writes a source that has all of these, each in a namespace of its own; what they include
# stands before.
function(engraft_together FILE)
    set(all "")
    set(headers)
    foreach(source IN LISTS ARGN)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source}) # for its #include lines
        file(STRINGS ${source} included REGEX "^#include")
        cmake_path(GET source PARENT_PATH folder)
        foreach(line IN LISTS included)
            string(REGEX REPLACE "^#include \"(.*)\"$" "\\1" header "${line}")
            if(EXISTS "${folder}/${header}")
                set(line "#include \"${folder}/${header}\"")
            endif()
            list(APPEND headers "${line}")
        endforeach()
        cmake_path(GET source STEM LAST_ONLY name) # swap.same_shape.cpp: the name has dots of its own
        string(MAKE_C_IDENTIFIER "${name}" name)
        string(APPEND all "namespace of_${name} {\n#include \"${source}\"\n}\n")
    endforeach()
    list(REMOVE_DUPLICATES headers)
    list(JOIN headers "\n" headers)
    file(CONFIGURE OUTPUT ${FILE} CONTENT "${headers}\n${all}" @ONLY)
endfunction()

# engraft_test(NAME [OPTIMISED] FOLDER_OR_SOURCE...): one Catch2 program, and one test of that name, of all *.cpp in the
# folders.
# OPTIMISED: where running takes longer than compiling, or the optimiser could break what is tested. A folder without
# sources is skipped.
function(engraft_test NAME)
    cmake_parse_arguments(PARSE_ARGV 1 test "OPTIMISED" "" "")
    set(sources)
    foreach(folder IN LISTS test_UNPARSED_ARGUMENTS)
        if(folder MATCHES "\\.cpp$")
            set(found "${CMAKE_CURRENT_SOURCE_DIR}/${folder}")
        else()
            file(GLOB found CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp")
        endif()
        list(APPEND sources ${found})
    endforeach()
    list(FILTER sources EXCLUDE REGEX "/golden/(parity|interventions|ground_truth)\\.cpp$") # programs of their own; tests/install builds them
    if(NOT sources)
        return()
    endif()
    if(ENGRAFT_QUICK_BUILD AND NOT test_OPTIMISED)
        # What sources share is then compiled once for eight of them.
        set(part 0)
        set(parts)
        while(sources)
            list(SUBLIST sources 0 8 some)
            list(REMOVE_ITEM sources ${some})
            math(EXPR part "${part} + 1")
            engraft_together(${CMAKE_CURRENT_BINARY_DIR}/together/${NAME}_${part}.cpp ${some})
            list(APPEND parts ${CMAKE_CURRENT_BINARY_DIR}/together/${NAME}_${part}.cpp)
        endwhile()
        set(sources ${parts})
    endif()
    add_executable(test_${NAME} ${sources})
    target_link_libraries(test_${NAME} PRIVATE engraft_test engraft_test_main)
    if(NOT test_OPTIMISED)
        target_compile_options(test_${NAME} PRIVATE ${ENGRAFT_TEST_OPTIMISATION})
        target_precompile_headers(test_${NAME} REUSE_FROM engraft_test_headers)
    endif()
    add_test(NAME ${NAME} COMMAND test_${NAME})
endfunction()

# engraft_other_compilers(RESULT): g++ and clang++ where found, less the one that this build uses.
# What must not compile, and what must, is checked with each.
function(engraft_other_compilers RESULT)
    set(others)
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        find_program(ENGRAFT_GXX g++)
        if(ENGRAFT_GXX)
            list(APPEND others ${ENGRAFT_GXX})
        endif()
    endif()
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        find_program(ENGRAFT_CLANGXX clang++)
        if(ENGRAFT_CLANGXX)
            list(APPEND others ${ENGRAFT_CLANGXX})
        endif()
    endif()
    set(${RESULT} "${others}" PARENT_SCOPE)
endfunction()

# engraft_is_gnu(COMPILER RESULT): whether it is g++, by whatever name.
function(engraft_is_gnu COMPILER RESULT)
    execute_process(COMMAND "${COMPILER}" --version OUTPUT_VARIABLE said ERROR_QUIET)
    set(gnu FALSE)
    if(said MATCHES "Free Software Foundation")
        set(gnu TRUE)
    endif()
    set(${RESULT} ${gnu} PARENT_SCOPE)
endfunction()

# engraft_write_folders(FILE): a CMake file that sets ENGRAFT_FOLDERS to the include folders of the tests and of all that
# engraft links, for scripts that call a compiler themselves. It is written when the build files are.
function(engraft_write_folders FILE)
    # The compiler's own folders are left out: they must keep their place in its search, or #include_next fails.
    file(GENERATE OUTPUT "${FILE}"
         CONTENT "set(ENGRAFT_FOLDERS [==[$<TARGET_PROPERTY:engraft_test_headers,INCLUDE_DIRECTORIES>]==])
list(REMOVE_ITEM ENGRAFT_FOLDERS ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})\n"
         TARGET engraft_test_headers)
endfunction()
