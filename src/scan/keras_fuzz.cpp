#include <cstdint>

#include "scan/fuzz_inspector.h"
#include "scan/keras_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, [&](Reader&, Inspection& inspection) {
    inspect_keras_config({reinterpret_cast<const char*>(data), size}, false, inspection);
  });
}
