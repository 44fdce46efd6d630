# The source is refused, and the first error is the diagnostic of this ID. NAMES, where it is given, is among the messages.
include("${CMAKE_CURRENT_LIST_DIR}/compile.cmake")

if(result EQUAL 0)
    message(FATAL_ERROR "${SOURCE} must not compile, but ${COMPILER} takes it")
endif()

# A path may contain the word "error" too; a message begins with it.
set(first "")
if("\n${output}" MATCHES "\n([^\n]* (fatal )?error: [^\n]*)")
    set(first "${CMAKE_MATCH_1}")
endif()
string(FIND "${first}" "engraft [${ID}]" at)
if(at EQUAL -1)
    message(NOTICE "${output}")
    message(FATAL_ERROR "the first error of ${COMPILER} must contain \"engraft [${ID}]\", but it is:\n${first}")
endif()
if(DEFINED NAMES)
    string(FIND "${output}" "${NAMES}" at)
    if(at EQUAL -1)
        message(NOTICE "${output}")
        message(FATAL_ERROR "the messages of ${COMPILER} must contain \"${NAMES}\"")
    endif()
endif()
