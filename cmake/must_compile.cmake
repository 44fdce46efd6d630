# The source compiles and the compiler has nothing to say about it.
include("${CMAKE_CURRENT_LIST_DIR}/compile.cmake")

if(NOT result EQUAL 0 OR NOT output STREQUAL "")
    message(NOTICE "${output}")
    message(FATAL_ERROR "${SOURCE} must compile without a warning with ${COMPILER} ${DEFINE}")
endif()
