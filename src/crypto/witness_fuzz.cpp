// Whatever a witness is asked, it answers with a status of its protocol; without a log that it knows it never cosigns.
#include <cstdint>
#include <cstdlib>

#include "crypto/witness.h"

using namespace hauberk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static SystemFiles files;
  static const auto key = crypto::SigningKey::generate();
  static auto witness = *crypto::Witness::open(files, "/tmp/hauberk-fuzz-witness", "witness.example", key, {});
  const auto status = witness.add_checkpoint(as_text({data, size}), Instant{}).status;
  if (status != 400 && status != 404) std::abort();
  return 0;
}
