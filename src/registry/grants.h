// Roles of one's own and who has them, as this program wrote them: each is signed by the environment's key for
// evidence, over all that it says, so that a row that somebody wrote into the catalogue grants nothing. What earlier
// keys of the environment signed counts as long as their public halves are trusted. That a row was removed, or an old
// one put back, the ledger tells (registry/grants_audit.h). Thread safety: as the catalogue and the keys.
#pragma once

#include <string>
#include <vector>

#include "core/catalog.h"
#include "crypto/key_provider.h"

namespace hauberk::registry {

struct Grants {
  std::vector<CustomRole> roles;
  std::vector<Binding> bindings;
};
// Those that are signed well; of each other one a warning is logged.
Result<Grants> sealed_grants(Catalog& catalog, Environment environment, crypto::KeyProvider& keys);

// Of all that is signed of a role, as events name it.
Digest digest_of(const CustomRole& role);

bool is_sealed(const CustomRole& role, crypto::KeyProvider& keys);
bool is_sealed(const Binding& binding, crypto::KeyProvider& keys);
Status seal(CustomRole& role, crypto::KeyProvider& keys);
Status seal(Binding& binding, crypto::KeyProvider& keys);

}  // namespace hauberk::registry
