#include <cstdint>

#include "base/bytes.h"
#include "scan/jinja.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  Gathering gathering{.budget = Budget({.entries = 20'000}, {})};
  Inspection inspection(gathering, "fuzzed");
  inspect_jinja(hauberk::as_text({data, size}), inspection, TemplateTrust::certain);
  return 0;
}
