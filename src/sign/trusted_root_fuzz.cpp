// Whatever the text, a trusted root is an answer or an error.
#include <cstdint>

#include "sign/trusted_root.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)hauberk::sign::parse_trusted_root(hauberk::as_text({data, size}));
  return 0;
}
