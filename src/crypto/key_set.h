// KeySet: the keys of one environment, here or at their keepers, and everything a KeyProvider does with them. keys_file
// loads one from disk, make_memory_keys() makes one for tests; neither repeats the cryptography. What a keeper signs is
// verified before it is passed on. Thread safety: any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "crypto/key_keeper.h"
#include "crypto/key_provider.h"
#include "crypto/signature.h"

namespace hauberk::crypto {

// The public half of an earlier key: it still verifies what it signed, for its one purpose.
struct TrustedKey {
  KeyPurpose purpose;
  VerifyingKey key;
};

struct KeyElsewhere {
  KeptKey key;
  std::shared_ptr<KeyKeeper> keeper;  // null: there is none for its scheme, and it signs and opens nothing
};
using SigningPlace = std::variant<SigningKey, KeyElsewhere>;
using WrappingPlace = std::variant<Secret, KeyElsewhere>;  // a Secret of 32 bytes

struct KeySet {
  SigningPlace evidence;
  SigningPlace ledger;
  WrappingPlace wrap;
  Secret token;  // 32 bytes; never elsewhere, because every request needs it
  SigningPlace model;
  std::vector<TrustedKey> trusted;
  std::vector<WrappingPlace> retired_wraps;  // they unwrap what was wrapped with them, and wrap nothing more
  std::vector<Secret> retired_tokens;        // they know the tokens of their time, and make no more
  // Keys that may not be used for anything new, and why: the configuration wants another one.
  std::map<KeyPurpose, Error> withheld;

  static KeySet generate(Random& random);
};

// The public fingerprint of a symmetric key: "aes256:" and 16 hex digits that tell nothing about it.
std::string key_fingerprint(const Secret& key);
std::string key_id(const SigningPlace& key);
std::string key_id(const WrappingPlace& key);

// A signature of `message` that was verified, or what to do about it: the error names the key's place.
Result<Bytes> sign_elsewhere(const KeyElsewhere& key, ByteView message);

std::unique_ptr<KeyProvider> make_key_provider(KeySet keys, Random& random);

}  // namespace hauberk::crypto
