#include "registry/revocations.h"

namespace hauberk::registry {

Status revoke_signature(const Ports& ports, const Revocation& revocation, const Principal& principal) {
  CHECK(require_grant(principal, "revoke", "signatures"));
  CHECK(check_revocation(revocation));
  return ports.catalog.add_revocation(revocation, principal.subject);
}

Result<RevocationList> revocation_list(const Ports& ports, Environment environment, Duration validity) {
  auto entries = TRY(ports.catalog.revocations(environment));
  const auto number = entries.size();
  const auto now = ports.clock.now();
  return RevocationList{environment, number, now, now + validity, std::move(entries)};
}

Result<Evidence> issue_revocations(const Ports& ports, const RevocationList& list, const Principal& principal) {
  CHECK(require_grant(principal, "revoke", "signatures"));
  if (list.until <= list.issued)
    return fail(Errc::invalid, "the list would never be good: say for how long, such as 7d", "valid");
  return seal(list.statement(principal.subject), *TRY(ports.keys.need(list.environment)));
}

}  // namespace hauberk::registry
