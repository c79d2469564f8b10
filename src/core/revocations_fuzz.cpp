// A list that is accepted says the same when it goes out again.
#include <cstdlib>

#include "core/revocations.h"

using hauberk::RevocationList, hauberk::Statement;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto statement = Statement::parse(hauberk::as_text({data, size}));
  if (!statement) return 0;
  const auto list = RevocationList::of(*statement);
  if (!list) return 0;
  const auto again = RevocationList::of(list->statement("x"));
  if (!again || again->entries != list->entries || again->until != list->until) std::abort();
  return 0;
}
