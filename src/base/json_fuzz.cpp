#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "base/json.h"

// Whatever parses must write a text that parses to the same value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = hauberk::json::parse(hauberk::as_text({data, size}));
  if (!value) return 0;
  const auto again = hauberk::json::parse(hauberk::json::write(*value));
  if (!again || *again != *value) std::abort();
  return 0;
}
