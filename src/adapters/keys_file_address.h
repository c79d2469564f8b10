// The key by which the blobs of a store are named (blobs_sealed.h): one for all environments, in a file of mode 0600 as
// those of keys_file.h, sealed with the same passphrase. It opens no content, but whoever has it and the store can ask
// whether a content that they know is there. Errors as in keys_file.h. Thread safety: any.
#pragma once

#include <memory>
#include <string>

#include "adapters/keys_file.h"

namespace hauberk::adapters {

struct AddressKeyFile {
  Files& files;
  Random& random;
  const Clock& clock;
  std::string path;
  std::shared_ptr<KeyPassphrase> passphrase{};
};

// `store_has_one`: the store was opened with a key before, and none is made where that one is missing (not_found).
Result<Secret> open_address_key(const AddressKeyFile& file, bool store_has_one);

struct AddressKeyListing {
  std::string id;
  std::string made;  // RFC 3339; empty where it is not known
  bool sealed = false;
};
Result<AddressKeyListing> list_address_key(const AddressKeyFile& file);

Status seal_address_key(const AddressKeyFile& file, KeySealing sealing);

}  // namespace hauberk::adapters
