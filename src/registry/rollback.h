// The way back. Rollback is one atomic move of a deployment's pointer to an earlier entry, whole state under one
// digest, with signed evidence of who and why; it is refused when that entry's version is revoked or no longer in a
// state which the environment serves. Revocation ends a version for good, under every name its digest has. Errors:
// denied (grant), not_found, precondition (says which entries would do). Thread safety: any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/ports.h"

namespace hauberk::registry {

struct RollbackRequest {
  Environment environment = Environment::production;
  std::string deployment;
  std::optional<std::uint64_t> entry;  // empty: the one before the current one
  std::string reason;
};
struct RolledBack {
  DeploymentEntry from;
  DeploymentEntry to;
  Evidence evidence;
};
// Grant: rollback on the deployment's name.
Result<RolledBack> rollback(const Ports& ports, const RollbackRequest& request, const Principal& principal);

struct AffectedDeployment {
  Environment environment = Environment::dev;
  std::string name;
  std::uint64_t entry = 0;
};
struct Revoked {
  std::vector<Version> versions;                // all with that digest, now revoked
  std::vector<AffectedDeployment> deployments;  // whose current entry serves it: a gateway must drop them
  Evidence evidence;
};
// Any state -> revoked. Grant: revoke.
Result<Revoked> revoke(const Ports& ports, const VersionRef& ref, std::string_view reason, const Principal& principal);

}  // namespace hauberk::registry
