#include "registry/revocations.h"

namespace hauberk::registry {
namespace {

constexpr Duration longest_validity = std::chrono::hours(24 * 366);

}  // namespace

Status revoke_signature(const Ports& ports, const Revocation& revocation, const Principal& principal) {
  CHECK(require_grant(principal, "revoke", "signatures", no_kind));
  CHECK(check_revocation(revocation));
  if (revocation.since > ports.clock.now())
    return fail(Errc::invalid, "it would begin in the future, and count for nothing until then", "since");
  return ports.catalog.add_revocation(revocation, principal.subject);
}

Result<RevocationList> revocation_list(const Ports& ports, Environment environment, Duration validity) {
  auto entries = TRY(ports.catalog.revocations(environment));
  const auto number = entries.size();
  const auto now = ports.clock.now();
  return RevocationList{environment, number, now, now + validity, std::move(entries)};
}

Result<Evidence> issue_revocations(const Ports& ports, const RevocationList& list, const Principal& principal) {
  CHECK(require_grant(principal, "revoke", "signatures", no_kind));
  if (list.until <= list.issued)
    return fail(Errc::invalid, "the list would never be good: say for how long, such as 7d", "valid");
  if (list.until - list.issued > longest_validity)
    return fail(Errc::invalid, "whoever has the list would not look for a newer one for more than a year", "valid");
  return seal(list.statement(principal.subject), *TRY(ports.keys.need(list.environment)));
}

}  // namespace hauberk::registry
