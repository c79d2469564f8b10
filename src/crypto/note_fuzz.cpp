// A note that is accepted ends its text with a newline and has signatures; checkpoints are read from the same text.
#include <cstdint>
#include <cstdlib>

#include "crypto/note.h"

using namespace hauberk::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = hauberk::as_text({data, size});
  if (const auto note = parse_note(text)) {
    if (!note->text.ends_with('\n') || note->signatures.empty() || !text.starts_with(note->text)) std::abort();
    (void)parse_checkpoint(note->text);
  }
  (void)parse_checkpoint(text);
  return 0;
}
