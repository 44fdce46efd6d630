# Configures the project with each value of ENGRAFT_CUDA where nvcc is not on the PATH, and, where there is one, with it.
cmake_minimum_required(VERSION 3.25...3.31)

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

# The PATH without nvcc: a folder that has it is replaced by one of links to all else in it.
set(without)
set(nvcc_is_there FALSE)
string(REPLACE ":" ";" folders "$ENV{PATH}")
foreach(folder IN LISTS folders)
    if(EXISTS "${folder}/nvcc")
        set(nvcc_is_there TRUE)
        list(LENGTH without number)
        set(links "${WORK}/path${number}")
        file(MAKE_DIRECTORY "${links}")
        file(GLOB programs "${folder}/*")
        list(FILTER programs EXCLUDE REGEX "/nvcc$")
        foreach(program IN LISTS programs)
            cmake_path(GET program FILENAME name)
            file(CREATE_LINK "${program}" "${links}/${name}" SYMBOLIC)
        endforeach()
        set(folder "${links}")
    endif()
    list(APPEND without "${folder}")
endforeach()
list(JOIN without ":" without)
set(with "$ENV{PATH}")

# check(NVCC VALUE FAILS MESSAGE): configuring, with the PATH in the variable NVCC, ends so and says MESSAGE just once.
function(check NVCC VALUE FAILS MESSAGE)
    set(ENV{PATH} "${${NVCC}}")
    unset(ENV{CUDACXX})
    execute_process(
        COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}/${NVCC}_${VALUE}" -G "${GENERATOR}"
                "-DCMAKE_CXX_COMPILER=${COMPILER}" -DENGRAFT_TESTS=OFF -DENGRAFT_EXAMPLES=OFF -DENGRAFT_BENCH=OFF
                -DENGRAFT_CUDA=${VALUE}
        RESULT_VARIABLE result
        OUTPUT_VARIABLE output
        ERROR_VARIABLE output)
    string(REGEX REPLACE "[ \n]+" " " output "${output}") # CMake breaks the lines of errors
    string(REGEX MATCHALL "${MESSAGE}" said "${output}")
    list(LENGTH said times)
    if((result EQUAL 0 AND FAILS) OR (NOT result EQUAL 0 AND NOT FAILS) OR NOT times EQUAL 1)
        message(NOTICE "${output}")
        message(FATAL_ERROR "ENGRAFT_CUDA=${VALUE} ${NVCC} nvcc: exit code ${result}, and \"${MESSAGE}\" ${times} times")
    endif()
    if(VALUE STREQUAL "OFF" AND output MATCHES "CUDA")
        message(FATAL_ERROR "ENGRAFT_CUDA=OFF ${NVCC} nvcc speaks of CUDA: ${output}")
    endif()
endfunction()

check(without AUTO FALSE "engraft: no CUDA, since nvcc is not on the PATH")
check(without ON TRUE "ENGRAFT_CUDA is ON, but nvcc is not on the PATH")
check(without OFF FALSE "Generating done")
check(without MAYBE TRUE "ENGRAFT_CUDA is AUTO, ON or OFF, not MAYBE")
if(nvcc_is_there)
    check(with AUTO FALSE "engraft: CUDA [0-9]")
    check(with ON FALSE "engraft: CUDA [0-9]")
    check(with OFF FALSE "Generating done")
endif()
