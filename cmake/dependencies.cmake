# What is linked, and nothing more; docs/decisions/ says why each one was chosen.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(BZip2 REQUIRED)
find_package(LibLZMA REQUIRED)
find_package(SQLite3 REQUIRED)
pkg_check_modules(fyaml REQUIRED IMPORTED_TARGET libfyaml)
pkg_check_modules(cli11 REQUIRED IMPORTED_TARGET CLI11)

# ONNX Runtime lies where tools/setup puts it: the library out of the PyPI wheel, the C headers out of Debian.
set(HAUBERK_DEPS_DIR "${CMAKE_SOURCE_DIR}/.deps" CACHE PATH "Where tools/setup keeps what Debian does not package")
find_library(ONNXRUNTIME_LIBRARY onnxruntime PATHS ${HAUBERK_DEPS_DIR}/onnxruntime/lib NO_DEFAULT_PATH)
find_path(ONNXRUNTIME_INCLUDE onnxruntime_c_api.h PATHS ${HAUBERK_DEPS_DIR}/onnxruntime/include NO_DEFAULT_PATH)
if(NOT ONNXRUNTIME_LIBRARY OR NOT ONNXRUNTIME_INCLUDE)
  message(FATAL_ERROR "ONNX Runtime is missing under ${HAUBERK_DEPS_DIR}/onnxruntime: run `make setup`")
endif()
add_library(onnxruntime::onnxruntime SHARED IMPORTED)
set_target_properties(onnxruntime::onnxruntime PROPERTIES
  IMPORTED_LOCATION ${ONNXRUNTIME_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${ONNXRUNTIME_INCLUDE})

if(HAUBERK_TESTS)
  find_package(GTest REQUIRED)
endif()
