#include <cstdint>

#include "scan/formats.h"
#include "scan/fuzz_inspector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, inspect_hdf5);
}
