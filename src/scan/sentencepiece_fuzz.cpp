#include <cstdint>

#include "scan/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  Gathering gathering{.budget = Budget({.bytes_out = 16u << 20, .entries = 20'000}, {})};
  Inspection inspection(gathering, "fuzzed");
  MemoryReader reader({data, size});
  if (is_sentencepiece(reader)) inspect_sentencepiece(reader, inspection);
  return 0;
}
