# engraft_describe(TARGET FOLDER [NAME name] [PASSES])
#
# Gives TARGET the header <engraft_models/name.hpp> with `inline constexpr engraft::description name{...}`: what the
# config.json of a model's FOLDER (or a file that says it all) describes. It is made when TARGET is built, and again when
# that file changes. The name is made of the folder's if none is given. A model that engraft does not support stops the
# build with a sentence that names what is missing.
#
# With PASSES what every program with that model compiles stands in a library, which TARGET is linked with: TARGET
# compiles its own lines only. TARGET links engraft::engraft then, not engraft::header_only.
#
# The program that reads the config, examples/describe.cpp, is built when the first target needs it, for which CLI11
# must be found; `engraft::describe` is its target.
function(engraft_describe TARGET FOLDER)
    cmake_parse_arguments(PARSE_ARGV 2 engraft "PASSES" "NAME" "")
    if(engraft_UNPARSED_ARGUMENTS OR engraft_KEYWORDS_MISSING_VALUES)
        message(FATAL_ERROR "engraft_describe(TARGET FOLDER [NAME name] [PASSES]) does not know: "
                            "${engraft_UNPARSED_ARGUMENTS}${engraft_KEYWORDS_MISSING_VALUES}")
    endif()
    if(NOT TARGET engraft::engraft)
        message(FATAL_ERROR "engraft_describe reads a model's config, for which it needs engraft::engraft: see ENGRAFT_FILES")
    endif()
    if(NOT TARGET ${TARGET})
        message(FATAL_ERROR "engraft_describe: there is no target ${TARGET}")
    endif()
    cmake_path(ABSOLUTE_PATH FOLDER BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE OUTPUT_VARIABLE folder)
    set(config "${folder}")
    if(IS_DIRECTORY "${folder}")
        set(config "${folder}/config.json")
    endif()
    if(NOT EXISTS "${config}")
        message(FATAL_ERROR "engraft_describe: there is no ${config}")
    endif()
    set(name "${engraft_NAME}")
    if(name STREQUAL "")
        string(REGEX REPLACE "/+$" "" name "${folder}")
        cmake_path(GET name FILENAME name)
        string(REGEX REPLACE "[^A-Za-z0-9]+" "_" name "${name}")
        string(REGEX REPLACE "^_" "" name "${name}")
        if(name MATCHES "^([0-9]|$)")
            string(PREPEND name "model_")
        endif()
    endif()

    _engraft_describe_program()
    set(include "${CMAKE_CURRENT_BINARY_DIR}/engraft_describe/${TARGET}")
    set(header "${include}/engraft_models/${name}.hpp")
    file(MAKE_DIRECTORY "${include}/engraft_models")
    add_custom_command(
        OUTPUT "${header}"
        COMMAND engraft::describe "${folder}" --name "${name}" --header "${header}"
        DEPENDS "${config}" engraft::describe
        COMMENT "Describing ${folder}"
        VERBATIM)
    add_custom_target(engraft_describe_${TARGET}_${name} DEPENDS "${header}")
    add_dependencies(${TARGET} engraft_describe_${TARGET}_${name})
    get_target_property(type ${TARGET} TYPE)
    if(type STREQUAL "INTERFACE_LIBRARY")
        target_include_directories(${TARGET} INTERFACE "${include}")
    else()
        target_include_directories(${TARGET} PRIVATE "${include}")
    endif()
    if(engraft_PASSES)
        _engraft_passes(${TARGET} ${name} "${include}")
    endif()
endfunction()

function(_engraft_passes TARGET name include)
    set(library engraft_passes_${TARGET}_${name})
    set(source "${include}/engraft_models/${name}_passes.cpp")
    file(
        CONFIGURE
        OUTPUT "${source}"
        CONTENT "#include <engraft/passes.hpp>\n#include <engraft_models/${name}.hpp>\nENGRAFT_PASSES(template, ${name}, engraft::default_backend)\n")
    add_library(${library} STATIC "${source}")
    target_include_directories(${library} PRIVATE "${include}")
    target_link_libraries(${library} PRIVATE engraft::engraft)
    add_dependencies(${library} engraft_describe_${TARGET}_${name})
    get_target_property(type ${TARGET} TYPE)
    set(scope PRIVATE)
    if(type STREQUAL "INTERFACE_LIBRARY")
        set(scope INTERFACE)
    endif()
    target_compile_definitions(${TARGET} ${scope} ENGRAFT_PASSES_OF_${name})
    target_link_libraries(${TARGET} ${scope} ${library})
endfunction()

function(_engraft_describe_program)
    if(TARGET engraft::describe)
        return() # the examples are built, or another target came first
    endif()
    find_package(CLI11 REQUIRED)
    set(folder "${CMAKE_CURRENT_FUNCTION_LIST_DIR}") # installed
    if(NOT EXISTS "${folder}/describe.cpp")
        cmake_path(SET folder NORMALIZE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../examples")
    endif()
    add_executable(engraft_describe_program EXCLUDE_FROM_ALL "${folder}/describe.cpp" "${folder}/program.cpp")
    target_link_libraries(engraft_describe_program PRIVATE engraft::engraft CLI11::CLI11)
    add_executable(engraft::describe ALIAS engraft_describe_program)
endfunction()
