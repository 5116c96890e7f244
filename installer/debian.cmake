# A Debian package of what `cmake --install` installs, by cpack (installer/package calls it).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME thinking-aware-edit)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The Thinking-Aware Edit developers <thinking-aware-edit@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "edit pictures by instruction, in GIMP and on the command line")
string(CONCAT CPACK_PACKAGE_DESCRIPTION
       "A plug-in for GIMP, a command and a server that edit a picture as an instruction says, with\n"
       "models of the MMaDA-Parallel family, and write down the reasoning beside it.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/engine)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gimp, glib-networking")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON) # and with them ldconfig's trigger
include(CPack)
