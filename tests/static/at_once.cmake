# The diagnostic of this ID stands within the first five lines that the compiler prints, and each line of the source that
# ends in `// refused` has an error with it. Other arguments: those of compile.cmake, without DEFINE.
include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/compile.cmake")

string(FIND "${output}" "engraft [${ID}]" at)
string(SUBSTRING "${output}" 0 ${at} before)
string(REGEX REPLACE "[^\n]" "" before "${before}")
string(LENGTH "${before}" lines)
if(at EQUAL -1 OR lines GREATER_EQUAL 5)
    message(NOTICE "${output}")
    message(FATAL_ERROR "the first five lines of ${COMPILER} must contain \"engraft [${ID}]\"")
endif()

cmake_path(GET COMPILER FILENAME name)
set(messages "${ID}.${name}.messages")
file(WRITE "${messages}" "${output}")
execute_process(COMMAND grep -n "// refused$" "${SOURCE}" OUTPUT_VARIABLE marked)
string(REGEX MATCHALL "(^|\n)[0-9]+:" marked "${marked}")
foreach(line IN LISTS marked)
    string(REGEX REPLACE "[^0-9]" "" line "${line}")
    execute_process(COMMAND grep -cE "${ID}.cpp:${line}:[0-9]+: error: .*engraft .${ID}." "${messages}"
                    RESULT_VARIABLE not_found OUTPUT_QUIET)
    if(not_found)
        message(NOTICE "${output}")
        message(FATAL_ERROR "${COMPILER} must refuse line ${line} of ${SOURCE} with \"engraft [${ID}]\"")
    endif()
endforeach()
