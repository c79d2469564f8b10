// KeyKeeper: the port to somebody else who keeps keys and never gives them out: Vault, a key management service, a
// security module. A key is named by a reference, "SCHEME:PLACE"; what the keeper finds there today is a KeptKey, which
// names that very key for good, so that a rotation at the keeper changes nothing here before it is taken over.
// Implementations: adapters/keys_vault, keys_aws, keys_pkcs11. Nothing is asked before a key is wanted; calls block,
// bounded in time. Errors: not_found (no such key), denied, unauthenticated, unavailable, deadline, exhausted (an
// answer that is too long), unsupported (a key of a kind that cannot do it), corrupt (a wrapped key that does not
// open), invalid (no such place). Thread safety: any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/signature.h"

namespace hauberk::crypto {

enum class KeyUse { sign, wrap };

struct KeptKey {
  std::string reference;  // "vault:transit/hauberk-model", as in the configuration
  std::string version;    // by which the keeper knows this very key again, such as "3" or an ARN; may be empty
  std::shared_ptr<const VerifyingKey> verifying;  // of a key that signs; null of one that wraps

  std::string_view scheme() const { return std::string_view(reference).substr(0, reference.find(':')); }
  std::string_view place() const { return std::string_view(reference).substr(reference.find(':') + 1); }
  // That of the public key, or "SCHEME:" and 16 hex digits of the SHA-256 of reference and version.
  std::string id() const;
};

class KeyKeeper {
 public:
  virtual ~KeyKeeper() = default;
  // The key that the place names today. Its reference is the one asked for.
  virtual Result<KeptKey> find(std::string_view place, KeyUse use) = 0;
  // 64 bytes by Ed25519, DER by ECDSA over P-256 with SHA-256. The caller verifies it.
  virtual Result<Bytes> sign(const KeptKey& key, ByteView message) = 0;
  // Opens with the same `associated` only.
  virtual Result<Bytes> wrap(const KeptKey& key, const Secret& data_key, ByteView associated) = 0;
  virtual Result<Secret> unwrap(const KeptKey& key, ByteView wrapped, ByteView associated) = 0;
};

using KeyKeepers = std::map<std::string, std::shared_ptr<KeyKeeper>, std::less<>>;  // by scheme

}  // namespace hauberk::crypto
