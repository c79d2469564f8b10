// SecretSource for vault: references, over the HTTP API of HashiCorp Vault and OpenBao: "PATH#KEY", or
// "PATH?version=N#KEY", where PATH is that of the API ("secret/data/team/hf" for version 2 of the key-value engine,
// "kv/team/hf" for version 1). Without #KEY the secret must have one key only. Signs in with a token or by AppRole when
// a secret is first asked for, and once more when the server refuses the token. Errors: not_found (none, deleted, or no
// permission to see it), denied, unavailable (sealed, standby without a leader, no connection), invalid. Thread safety:
// any; calls wait for each other.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/secret_resolver.h"
#include "net/http_client.h"

namespace hauberk::adapters {

struct VaultOptions {
  std::string url;                 // "https://vault.example.com:8200"
  std::string name_space;          // of Vault Enterprise and OpenBao; empty: none
  std::string authorities;         // PEM file; empty: the system's
  std::optional<SecretRef> token;  // one of the two ways to sign in
  std::string role_id;
  std::optional<SecretRef> secret_id;
  std::string approle_path = "auth/approle";
  Duration timeout = std::chrono::seconds(10);
};

std::unique_ptr<SecretSource> make_secrets_vault(VaultOptions options, std::unique_ptr<net::HttpClient> http);

}  // namespace hauberk::adapters
