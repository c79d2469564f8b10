#include <cstdint>

#include "scan/formats.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  Gathering gathering{
      .budget = Budget({.bytes_out = 16u << 20, .entries = 20'000, .opcodes = 1u << 20, .memory = 16u << 20}, {})};
  Inspection inspection(gathering, "fuzzed");
  MemoryReader reader({data, size});
  inspect_seven_zip(reader, inspection);
  return 0;
}
