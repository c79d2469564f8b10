// GrantsAudit: who may do what, as the ledger of an environment tells it, and where the catalogue says something else.
// Tokens are bound to their records and evidence is signed; that a token was revoked, a role, who has it and what is
// revoked stand in the catalogue alone, and an older copy of it put back says what was once true. The ledger has every
// change of them. An intent whose end is not told may have been done: either is accepted. Of events that do not say
// what was granted (release 0.1) the thing itself is known and no more. Pure; one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "core/catalog.h"

namespace hauberk::registry {

// What "artifact" of the events says of a revocation, as tokens and roles have theirs (registry/tokens.h).
Digest digest_of(const Revocation& revocation);

class GrantsAudit {
 public:
  // A record of the environment's registry chain, in order, as it is stored.
  void add(const json::Value& record);

  struct Found {
    std::vector<TokenRecord> tokens;
    std::vector<CustomRole> roles;
    std::vector<Binding> bindings;
    std::vector<Revocation> revocations;
  };
  // One sentence for each difference, sorted; none: the catalogue is what the ledger tells.
  std::vector<std::string> differences(const Found& catalogue) const;

 private:
  using States = std::set<std::string>;  // that a thing may be in: absent, or a digest, or a digest and "revoked"
  struct Thing {
    States now{""};
    States before{};  // the intent that is open
  };
  void begin(const std::string& key, const States& next);
  void end(const std::string& key, const States& next);
  void fail(const std::string& key);

  std::map<std::string, Thing>
      things_;  // by "token ID", "role NAME", "binding SUBJECT ROLE", "revocation VALUE DIGEST"
};

}  // namespace hauberk::registry
