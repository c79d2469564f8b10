// KeySet: the keys of one environment in memory, and everything a KeyProvider does with them. keys_file loads one from
// disk, make_memory_keys() makes one for tests; neither repeats the cryptography. Thread safety: any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto/key_provider.h"
#include "crypto/signature.h"

namespace hauberk::crypto {

// The public half of an earlier key: it still verifies what it signed, for its one purpose.
struct TrustedKey {
  KeyPurpose purpose;
  VerifyingKey key;
};

struct KeySet {
  SigningKey evidence;
  SigningKey ledger;
  Secret wrap;   // 32 bytes
  Secret token;  // 32 bytes
  SigningKey model;
  std::vector<TrustedKey> trusted;
  std::vector<Secret> retired_wraps;  // of 32 bytes; they unwrap what was wrapped with them, and wrap nothing more

  static KeySet generate(Random& random);
};

// The public fingerprint of a symmetric key: "aes256:" and 16 hex digits that tell nothing about it.
std::string key_fingerprint(const Secret& key);

std::unique_ptr<KeyProvider> make_key_provider(KeySet keys, Random& random);

}  // namespace hauberk::crypto
