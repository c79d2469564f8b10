#include <cstdint>
#include <cstdlib>

#include "adapters/ledger_file_format.h"
#include "base/random.h"

// The bytes as lines: none may be taken for a record whose hash does not fit its bytes, nor for a signed checkpoint.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hauberk::adapters;
  static hauberk::SeededRandom random(1);
  static const auto keys = hauberk::crypto::make_memory_keys(random);
  auto text = hauberk::as_text({data, size});
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (const auto record = parse_record(line); record && record->hashed.size() + 75 != line.size()) std::abort();
    if (open_checkpoint(line, *keys)) std::abort();
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return 0;
}
