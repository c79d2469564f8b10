// SecretSource for vault: references, over the HTTP API of HashiCorp Vault and OpenBao: "PATH#KEY", or
// "PATH?version=N#KEY", where PATH is that of the API ("secret/data/team/hf" for version 2 of the key-value engine,
// "kv/team/hf" for version 1). Without #KEY the secret must have one key only. Errors: not_found (none, deleted, or no
// permission to see it), and those of the client. Thread safety: any; calls wait for each other.
#pragma once

#include <memory>

#include "base/secret_resolver.h"
#include "net/vault_client.h"

namespace hauberk::adapters {

std::unique_ptr<SecretSource> make_secrets_vault(std::shared_ptr<net::VaultClient> vault);

}  // namespace hauberk::adapters
