#include <cstdint>

#include "scan/text_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  Gathering gathering{.budget = Budget({.entries = 20'000}, {})};
  Inspection inspection(gathering, "fuzzed");
  MemoryReader reader({data, size});
  (void)may_be_text_proto(hauberk::as_text({data, size}));
  (void)inspect_text_proto(reader, inspection);
  return 0;
}
