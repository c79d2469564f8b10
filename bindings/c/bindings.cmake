# libhauberk_scan.so with its one header, and the confined child that it starts. Built on request, and for the tests.
file(GLOB isolated_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/app/isolate*.cpp)
list(FILTER isolated_sources EXCLUDE REGEX "_(test|fuzz)\\.cpp$")
add_library(scan_isolated OBJECT EXCLUDE_FROM_ALL ${isolated_sources} ${CMAKE_SOURCE_DIR}/src/app/scan_worker.cpp)
hauberk_target_defaults(scan_isolated)
target_link_libraries(scan_isolated PUBLIC scan core crypto base)

add_library(hauberk_scan SHARED EXCLUDE_FROM_ALL bindings/c/hauberk_scan.cpp)
hauberk_target_defaults(hauberk_scan)
target_include_directories(hauberk_scan PUBLIC ${CMAKE_SOURCE_DIR}/bindings/c)
target_link_libraries(hauberk_scan PRIVATE scan_isolated ${CMAKE_DL_LIBS})
target_link_options(hauberk_scan PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/bindings/c/hauberk_scan.map -Wl,--exclude-libs,ALL)
set_target_properties(hauberk_scan PROPERTIES SOVERSION 1 UNITY_BUILD OFF
                      LINK_DEPENDS ${CMAKE_SOURCE_DIR}/bindings/c/hauberk_scan.map)

add_executable(hauberk-scan-worker EXCLUDE_FROM_ALL bindings/c/worker_main.cpp)
hauberk_target_defaults(hauberk-scan-worker)
target_link_libraries(hauberk-scan-worker PRIVATE scan_isolated)
set_target_properties(hauberk-scan-worker PROPERTIES UNITY_BUILD OFF)

if(HAUBERK_TESTS)
  add_executable(scan_api_test bindings/c/scan_api_test.c)
  # The linker of C++ brings what the sanitizers of the library need.
  set_target_properties(scan_api_test PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF LINKER_LANGUAGE CXX)
  target_include_directories(scan_api_test PRIVATE ${CMAKE_SOURCE_DIR}/bindings/c)
  target_link_libraries(scan_api_test PRIVATE hauberk_scan)
  add_dependencies(scan_api_test hauberk-scan-worker)
  add_test(NAME scan_api COMMAND scan_api_test $<TARGET_FILE:hauberk-scan-worker>)
endif()

install(TARGETS hauberk_scan LIBRARY DESTINATION hauberk COMPONENT python NAMELINK_SKIP)
install(TARGETS hauberk-scan-worker RUNTIME DESTINATION hauberk COMPONENT python)
