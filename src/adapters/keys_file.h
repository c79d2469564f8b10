// KeyProvider over a folder of files of mode 0600, one folder an environment: evidence.pem and ledger.pem (Ed25519,
// PKCS#8), model.pem (ECDSA P-256), wrap.key and token.key (32 bytes), trusted/PURPOSE-*.pem, the public halves of
// earlier keys, and retired/*.key, earlier wrap keys that still unwrap. Each file says in its first line what it is and
// of which environment, so that a mix-up is an error with a name instead of a bad signature. Errors: exists, not_found
// (with `hauberk init`), denied (permissions, with the chmod), corrupt. Thread safety: any.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "base/random.h"
#include "core/principal.h"
#include "crypto/key_provider.h"

namespace hauberk::adapters {

// Makes the keys that are missing; never overwrites one. exists: all were there.
Status create_keys_file(Files& files, Random& random, const std::string& folder, Environment environment);

Result<std::unique_ptr<crypto::KeyProvider>> open_keys_file(Files& files, Random& random, const std::string& folder,
                                                            Environment environment);

// A new wrap.key; the one before goes to retired/. Whatever is wrapped with that must be wrapped anew before it may be
// removed there. A killed rotation loses no key.
Status rotate_wrap_key(Files& files, Random& random, const std::string& folder, Environment environment);

// A new key for evidence, ledger or model; the public half of the one before goes to trusted/, so that what it signed
// still verifies, and its private half is gone. unsupported: other purposes.
Status rotate_signing_key(Files& files, const std::string& folder, Environment environment, crypto::KeyPurpose purpose);

}  // namespace hauberk::adapters
