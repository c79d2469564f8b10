// An envelope that is accepted is written to a text that is accepted and says the same. Tokens are read from the same
// bytes.
#include <cstdint>
#include <cstdlib>

#include "crypto/envelope.h"
#include "crypto/token.h"

using namespace hauberk::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = hauberk::as_text({data, size});
  if (const auto envelope = parse_envelope(text)) {
    const auto again = parse_envelope(write_envelope(*envelope));
    if (!again || again->payload != envelope->payload || again->signatures.size() != envelope->signatures.size())
      std::abort();
    if (envelope->signatures.empty() || envelope->signatures.size() > 8) std::abort();
    for (std::size_t i = 0; i < envelope->signatures.size(); ++i)
      if (again->signatures[i].key_id != envelope->signatures[i].key_id ||
          again->signatures[i].signature != envelope->signatures[i].signature)
        std::abort();
  }
  if (const auto token = parse_token(text); token && (token->id.size() != 12 || text.size() != 73)) std::abort();
  return 0;
}
