// API tokens: made, listed, revoked. The text hbk_<env>_<id>_<secret>_<crc> is shown once; kept is only its HMAC under
// the environment's token key, so that neither the catalogue nor a backup of it lets anybody in. Nobody can grant what
// they do not have, and none but who has "admin" over "role" makes a token that inherits. Errors: no_grant (grant
// "token", or a scope beyond one's own), invalid, not_found. Thread safety: any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "registry/grants.h"
#include "registry/ports.h"

namespace hauberk::registry {

struct TokenRequest {
  Environment environment = Environment::dev;
  std::string subject;
  std::vector<Scope> scopes;         // may be empty if it inherits
  std::optional<Duration> lifetime;  // empty: never expires
  bool service = false;              // for a program; all tokens of a subject agree about it
  bool inherit = false;              // has what the roles of its subject grant, whenever they change
};
struct CreatedToken {
  TokenRecord record;
  Secret text;  // to be shown once
};
// What a token or a role grants, as events tell it: for people, and as a digest of all of it, which a later look at the
// catalogue can be compared with. The digest of a token is of what its HMAC binds.
std::string described(const std::vector<Scope>& scopes);
std::string described(const TokenRecord& token);
Digest digest_of(const TokenRecord& token);

// The tokens of an environment with what they inherit now. A role that is not there any more grants nothing.
Result<std::vector<TokenRecord>> effective_tokens(Catalog& catalog, Environment environment, crypto::KeyProvider& keys);

Result<CreatedToken> create_token(const Ports& ports, Random& random, const TokenRequest& request,
                                  const Principal& principal);
Result<std::vector<TokenRecord>> list_tokens(const Ports& ports, Environment environment, const Principal& principal);
// Those of one subject, or the one of that id. Whoever reads the ledger of the environment may see them, too: it names
// them. no_grant where the principal may not see them, rather than an answer that looks like "there are none".
Result<std::vector<TokenRecord>> tokens_of(const Ports& ports, Environment environment, std::string_view who,
                                           const Principal& principal);
Result<TokenRecord> revoke_token(const Ports& ports, Environment environment, std::string_view id,
                                 const Principal& principal);

// A role of one's own, made or changed, by who has the grant "admin" over "role" and all that the role grants. Whoever
// has the role has its new grants at once.
Status define_role(const Ports& ports, const CustomRole& role, const Principal& principal);
Status forget_role(const Ports& ports, Environment environment, std::string_view name, const Principal& principal);
// A subject gets a role, by who has the grant "token" over the subject and all that the role grants; loses it, by who
// has the grant "token" over the subject.
Status bind_role(const Ports& ports, const Binding& binding, const Principal& principal);
Status unbind_role(const Ports& ports, const Binding& binding, const Principal& principal);
Result<std::vector<Binding>> list_bindings(const Ports& ports, Environment environment, const Principal& principal);

}  // namespace hauberk::registry
