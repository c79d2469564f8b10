// Revocations of signatures in an environment: added by who has the grant "revoke" over "signatures", never taken back,
// and issued as a list that the environment's key for evidence signs. Errors: no_grant, invalid, exists. Thread safety:
// any thread.
#pragma once

#include "core/revocations.h"
#include "registry/ports.h"

namespace hauberk::registry {

Status revoke_signature(const Ports& ports, const Revocation& revocation, const Principal& principal);

// Good for `validity` from now.
Result<RevocationList> revocation_list(const Ports& ports, Environment environment, Duration validity);
Result<Evidence> issue_revocations(const Ports& ports, const RevocationList& list, const Principal& principal);

}  // namespace hauberk::registry
