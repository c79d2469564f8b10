// KeyKeeper over the transit engine of HashiCorp Vault and OpenBao: "vault:MOUNT/NAME", such as
// "vault:transit/hauberk-model". Keys of the types ecdsa-p256 and ed25519 sign (what is signed is hashed here for the
// first and sent for the second), aes256-gcm96 and chacha20-poly1305 wrap, bound by associated_data. A KeptKey is one
// version of such a key. Derived keys are not used. Errors and threads: as the port and net/vault_client.h.
#pragma once

#include <memory>

#include "crypto/key_keeper.h"
#include "net/vault_client.h"

namespace hauberk::adapters {

std::shared_ptr<crypto::KeyKeeper> make_keys_vault(std::shared_ptr<net::VaultClient> vault);

}  // namespace hauberk::adapters
