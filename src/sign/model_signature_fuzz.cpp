// A statement that is accepted is written to one that says the same, and its root digest is that of what it lists.
#include <cstdint>
#include <cstdlib>

#include "sign/model_signature.h"

using namespace hauberk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text({data, size});
  (void)sign::parse_statement(text, sign::Legacy::read);
  const auto signature = sign::parse_statement(text);
  if (!signature) return 0;
  if (signature->resources.empty() || signature->name.empty()) std::abort();
  const auto again = sign::parse_statement(sign::write_statement(*signature));
  if (!again || again->resources != signature->resources || again->root() != signature->root()) std::abort();
  return 0;
}
