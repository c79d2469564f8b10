#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "base/json.h"

// Whatever parses must write a text that parses to the same value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = hauberk::json::parse(hauberk::as_text({data, size}));
  const auto members = hauberk::json::members(hauberk::as_text({data, size}));
  if (members.has_value() != (value && value->is_object())) std::abort();
  if (!value) return 0;
  if (members) {
    if (members->size() != value->as_object()->size()) std::abort();
    for (std::size_t i = 0; i < members->size(); ++i) {
      const auto& [key, member] = (*value->as_object())[i];
      if ((*members)[i].key != key || hauberk::json::parse((*members)[i].value) != member) std::abort();
    }
  }
  const auto again = hauberk::json::parse(hauberk::json::write(*value));
  if (!again || *again != *value) std::abort();
  return 0;
}
