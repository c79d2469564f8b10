#include <cstdint>

#include "scan/fuzz_inspector.h"
#include "scan/tensorflow.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, inspect_tensorflow);
}
