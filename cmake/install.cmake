include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(engraft_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/engraft)

install(
    DIRECTORY include/engraft
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING
    PATTERN "*.hpp"
    PATTERN "*.cuh"
    PATTERN "*.ipp"
    PATTERN "*.cpp") # for who compiles them without CMake

target_include_directories(engraft_engine_header_only INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS ${engraft_libraries} EXPORT engraft ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT engraft NAMESPACE engraft:: FILE engraftTargets.cmake DESTINATION ${engraft_package_folder})

configure_package_config_file(cmake/engraftConfig.cmake.in engraftConfig.cmake INSTALL_DESTINATION ${engraft_package_folder}
                              NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may break source.
write_basic_package_version_file(engraftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
    FILES ${PROJECT_BINARY_DIR}/engraftConfig.cmake ${PROJECT_BINARY_DIR}/engraftConfigVersion.cmake
          ${PROJECT_SOURCE_DIR}/cmake/dependencies.cmake ${PROJECT_SOURCE_DIR}/cmake/describe.cmake
          ${PROJECT_SOURCE_DIR}/cmake/cuda.cmake
          ${PROJECT_SOURCE_DIR}/examples/describe.cpp ${PROJECT_SOURCE_DIR}/examples/program.cpp
          ${PROJECT_SOURCE_DIR}/examples/program.hpp ${PROJECT_SOURCE_DIR}/examples/json.hpp
    DESTINATION ${engraft_package_folder})
