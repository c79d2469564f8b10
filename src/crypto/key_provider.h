// KeyProvider: the port to keys. Keys have purposes and belong to one environment; a provider serves one environment.
// Private halves never leave it. Implementations: adapters/keys_file (0600 files, and references to keepers, see
// key_keeper.h); MemoryKeys below, for tests. Errors, beside those named: precondition (the configuration wants another
// key: `hauberk key rotate`), and those of the keeper where it was asked. Thread safety: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace hauberk::crypto {

enum class KeyPurpose {
  evidence,  // Ed25519 signatures of statements; ECDSA P-256 where the keeper has no Ed25519
  ledger,    // Ed25519 signatures of ledger checkpoints
  wrap,      // AES-256-GCM wrapping of data keys
  token,     // HMAC-SHA-256 of API tokens ("pepper")
  model,     // ECDSA P-256 signatures of models, which every tool for signed models reads
};
std::string_view name(KeyPurpose purpose);

class KeyProvider {
 public:
  virtual ~KeyProvider() = default;
  // The id of the key now used for the purpose: "ed25519:<16 hex>" or "ecdsa-p256:<16 hex>" of the public key's
  // SHA-256, or "aes256:…" of a public fingerprint that tells nothing about the key, or "vault:…" and the like. Asks no
  // keeper, and neither do verify and public_key_pem.
  virtual Result<std::string> key_id(KeyPurpose purpose) = 0;
  virtual Result<Bytes> sign(KeyPurpose purpose, ByteView message) = 0;
  // Errc::denied: unknown key; Errc::corrupt: the signature does not fit.
  virtual Status verify(KeyPurpose purpose, std::string_view key_id, ByteView message, ByteView signature) = 0;
  virtual Result<Bytes> mac(KeyPurpose purpose, ByteView message) = 0;  // 32 bytes
  // Whether the key of today or a retired one made `mac`. What is none takes as long whatever it is.
  virtual Result<bool> verify_mac(KeyPurpose purpose, ByteView message, ByteView mac) = 0;
  // `associated` binds the wrapped key to its blob and environment; unwrapping needs the same bytes.
  virtual Result<Bytes> wrap(const Secret& data_key, ByteView associated) = 0;
  virtual Result<Secret> unwrap(std::string_view key_id, ByteView wrapped, ByteView associated) = 0;
  virtual Result<std::string> public_key_pem(KeyPurpose purpose) = 0;
  // Of earlier keys, which verify() accepts as well. Empty for purposes that do not sign.
  virtual std::vector<std::string> earlier_keys_pem(KeyPurpose purpose) = 0;
};

// Keys that live and die with the object.
std::unique_ptr<KeyProvider> make_memory_keys(Random& random);

}  // namespace hauberk::crypto
