#include <cstdint>

#include "base/bytes.h"
#include "scan/fuzz_inspector.h"
#include "scan/jinja.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, [&](Reader&, Inspection& inspection) {
    inspect_jinja(hauberk::as_text({data, size}), inspection, TemplateTrust::certain);
  });
}
