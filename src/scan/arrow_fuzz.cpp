#include <cstdint>

#include "scan/arrow.h"
#include "scan/fuzz_inspector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, size != 0 && data[0] == 'P' ? inspect_parquet : inspect_arrow);
}
