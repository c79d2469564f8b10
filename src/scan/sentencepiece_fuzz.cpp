#include <cstdint>

#include "scan/fuzz_inspector.h"
#include "scan/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, [](Reader& reader, Inspection& inspection) {
    if (is_sentencepiece(reader)) inspect_sentencepiece(reader, inspection);
  });
}
