#include <cstdint>

#include "scan/fuzz_inspector.h"
#include "scan/text_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::scan;
  return fuzz_inspector(data, size, [&](Reader& reader, Inspection& inspection) {
    (void)may_be_text_proto(hauberk::as_text({data, size}));
    (void)inspect_text_proto(reader, inspection);
  });
}
