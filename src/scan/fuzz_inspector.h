// What the fuzz targets of the inspectors share: the bytes as a reader, and a budget small enough that a run stays
// short.
#pragma once

#include <cstddef>
#include <cstdint>

#include "scan/inspection.h"

namespace hauberk::scan {

// Calls `inspect(reader, inspection)`; the name matters where it decides what is inspected. The answer is what
// libFuzzer expects of a target.
template <class Inspect>
int fuzz_inspector(const std::uint8_t* data, std::size_t size, Inspect inspect, const char* name = "fuzzed") {
  Gathering gathering{
      .budget = Budget({.bytes_out = 16u << 20, .entries = 20'000, .opcodes = 1u << 20, .memory = 16u << 20}, {})};
  Inspection inspection(gathering, name);
  MemoryReader reader({data, size});
  inspect(reader, inspection);
  return 0;
}

}  // namespace hauberk::scan
