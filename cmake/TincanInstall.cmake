include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

if(TINCAN_SEAM)
  install(CODE "message(FATAL_ERROR \"a build with TINCAN_SEAM is for tests; install `release`\")")
endif()

install(TARGETS tincan EXPORT tincan FILE_SET HEADERS)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tincan)
install(EXPORT tincan NAMESPACE tincan:: FILE tincanTargets.cmake DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/tincanConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/tincanConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/tincanConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/tincanConfig.cmake
              ${PROJECT_BINARY_DIR}/package/tincanConfigVersion.cmake
        DESTINATION ${package_dir})

# The prefix is found from where the file lies, so that an installed tree can be moved.
file(RELATIVE_PATH prefix_from_pc
     ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/tincan.pc.in
               ${PROJECT_BINARY_DIR}/package/tincan.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/tincan.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(document IN ITEMS README.md CHANGELOG.md LICENSE)
  install(FILES ${PROJECT_SOURCE_DIR}/${document} DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
endforeach()

if(TINCAN_TOOL)
  install(TARGETS tincan_tool)
  file(GLOB man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cli/man/*.1)
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${PROJECT_SOURCE_DIR}/cli/completions/tincan.bash RENAME tincan
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${PROJECT_SOURCE_DIR}/cli/completions/_tincan
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()
