#include <cstdint>

#include "scan/fuzz_inspector.h"
#include "scan/small_models.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, inspect_small_model);
}
