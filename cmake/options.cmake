# Language, warnings, hardening and the switches that the presets set.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)          # TRY is a statement expression
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set_property(GLOBAL PROPERTY GLOBAL_DEPENDS_NO_CYCLES ON)

set(HAUBERK_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
option(HAUBERK_FUZZ "Build the fuzz targets with libFuzzer" OFF)
set(HAUBERK_FUZZ_SECONDS 5 CACHE STRING "How long ctest lets each fuzz target search")
option(HAUBERK_UNITY "Unity build: fastest for a full build" OFF)
option(HAUBERK_PCH "Precompiled standard headers: fastest for daily work" ON)
option(HAUBERK_TESTS "Build the tests" ON)
option(HAUBERK_BINDINGS_ONLY "Build nothing but libhauberk_scan, for the Python package" OFF)
option(HAUBERK_LTO "ThinLTO for the program" OFF)

add_library(hauberk_flags INTERFACE)
target_compile_options(hauberk_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror=return-type -Werror=unused-result -Werror=switch)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(hauberk_flags INTERFACE -Wno-gnu-statement-expression -Wno-missing-designated-field-initializers)
  target_link_options(hauberk_flags INTERFACE -fuse-ld=lld-19)
endif()

if(HAUBERK_SANITIZE)
  add_compile_options(-fsanitize=${HAUBERK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${HAUBERK_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection=full -D_FORTIFY_SOURCE=2
                      -D_GLIBCXX_ASSERTIONS -ftrivial-auto-var-init=zero)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(HAUBERK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(HAUBERK_LTO)
  add_compile_options(-flto=thin)
  add_link_options(-flto=thin)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

find_program(CCACHE ccache)
if(CCACHE)
  # PCH under ccache: https://ccache.dev/manual/latest.html, "Precompiled headers"
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()
