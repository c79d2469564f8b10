// API tokens: made, listed, revoked. The text hbk_<env>_<id>_<secret>_<crc> is shown once; kept is only its HMAC under
// the environment's token key, so that neither the catalogue nor a backup of it lets anybody in. Nobody can grant what
// they do not have. Errors: no_grant (grant "token", or a scope beyond one's own), invalid, not_found. Thread safety:
// any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "registry/ports.h"

namespace hauberk::registry {

struct TokenRequest {
  Environment environment = Environment::dev;
  std::string subject;
  std::vector<Scope> scopes;
  std::optional<Duration> lifetime;  // empty: never expires
};
struct CreatedToken {
  TokenRecord record;
  Secret text;  // to be shown once
};
Result<CreatedToken> create_token(const Ports& ports, Random& random, const TokenRequest& request,
                                  const Principal& principal);
Result<std::vector<TokenRecord>> list_tokens(const Ports& ports, Environment environment, const Principal& principal);
// Those of one subject, or the one of that id. Whoever reads the ledger of the environment may see them, too: it names
// them. no_grant where the principal may not see them, rather than an answer that looks like "there are none".
Result<std::vector<TokenRecord>> tokens_of(const Ports& ports, Environment environment, std::string_view who,
                                           const Principal& principal);
Result<TokenRecord> revoke_token(const Ports& ports, Environment environment, std::string_view id,
                                 const Principal& principal);

}  // namespace hauberk::registry
