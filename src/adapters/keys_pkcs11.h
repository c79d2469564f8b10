// KeyKeeper over a security module by PKCS #11 (v2.40): "pkcs11:token=LABEL;object=LABEL", a URI of RFC 7512 with token
// or serial, and object or id, or both. Key pairs of P-256 (CKM_ECDSA over a SHA-256 made here) and Ed25519 (CKM_EDDSA)
// sign, AES-256 wraps by CKM_AES_GCM under a nonce made here. A KeptKey is the one object with those names and its
// CKA_ID. The module is loaded, and logged into, when a key is first wanted; after a fork and when the session is lost
// it is entered anew; a PIN that was refused is not tried again, because modules lock. The module's calls have no time
// limit. Errors: as the port. Thread safety: any; calls wait for each other.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/secret_resolver.h"
#include "crypto/key_keeper.h"

namespace hauberk::adapters {

struct Pkcs11Options {
  std::string module;            // path of the shared library; empty: the one in the URIs (module-path)
  std::optional<SecretRef> pin;  // of env: or file:
};

// Secrets that lie in a token as data objects: "pkcs11:token=LABEL;object=LABEL", by the same rules.
std::unique_ptr<SecretSource> make_secrets_pkcs11(Pkcs11Options options, Random& random);

std::shared_ptr<crypto::KeyKeeper> make_keys_pkcs11(Pkcs11Options options, Random& random);

}  // namespace hauberk::adapters
