// VaultClient: calls of the HTTP API of HashiCorp Vault and OpenBao. Signs in with a token or by AppRole when something
// is first asked for, and once more when the server refuses the token; what may pass by itself is asked for three
// times. Errors: denied (403), unavailable (sealed, standby without a leader, no connection, no JSON), deadline,
// exhausted, unauthenticated (no way to sign in), invalid (no address). The server's own texts may repeat what was
// asked for and are not shown. Thread safety: any; calls wait for each other.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/secret.h"
#include "net/http_client.h"
#include "net/wiped_json.h"

namespace hauberk::net {

struct VaultOptions {
  std::string url;                 // "https://vault.example.com:8200"
  std::string name_space;          // of Vault Enterprise and OpenBao; empty: none
  std::string authorities;         // PEM file; empty: the system's
  std::optional<SecretRef> token;  // one of the two ways to sign in
  std::string role_id;
  std::optional<SecretRef> secret_id;
  std::string approle_path = "auth/approle";
  Duration timeout = std::chrono::seconds(10);  // of one call
};

// 400 and 404 mean something else for each path, so they are answers.
struct VaultAnswer {
  int status = 0;
  WipedJson body;  // null unless the status is 200
};

// A path of the API that needs no encoding and leads nowhere else.
bool is_vault_path(std::string_view path);

class VaultClient {
 public:
  VaultClient(VaultOptions options, std::unique_ptr<HttpClient> http);
  // `path` is that below /v1/, with its query.
  Result<VaultAnswer> get(const std::string& path);
  Result<VaultAnswer> post(const std::string& path, const WipedJson& body);
  const std::string& url() const { return options_.url; }

 private:
  Result<VaultAnswer> authorised(const std::string& method, const std::string& path, const WipedJson* body);
  Status sign_in();
  Result<VaultAnswer> ask(HttpCall& call);
  std::unexpected<Error> refusal(int status) const;

  VaultOptions options_;
  const std::unique_ptr<HttpClient> http_;
  std::mutex mutex_;
  Secret token_;
};

}  // namespace hauberk::net
