// The gate that promotion and loading share: a version together with its verified evidence, and the decision of a
// policy about it. Two rules stand above every policy file: a scan must be there whose verdict is CLEAN or REVIEW, and
// signed import evidence must confirm who imported, because approvals are counted against that name. Pure apart from
// examine(), which reads the catalogue. Thread safety: any thread.
#pragma once

#include "registry/ports.h"

namespace hauberk::registry {

struct Examined {
  Version version;
  Digest artifact;
  VerifiedEvidence evidence;
};
Result<Examined> examine(const Ports& ports, const VersionRef& ref);

// Whether the newest scan was made with other rules than these; what was never scanned is missing, not stale.
bool is_stale(const Examined& examined, std::string_view scan_rules);

enum class Ages { count, ignore };

// `scan_rules`: the version of the rules that the scan must have been made with; empty: any.
Decision decide(Policy policy, const Examined& examined, Ages ages, Instant now, std::string_view scan_rules = {});

// "the scan is missing; 1 more approval …": a decision in one line, for an error's message.
std::string summary(const Decision& decision);

// Adds fresh evidence to what was examined, as the catalogue will.
void include(Examined& examined, const Evidence& evidence, Environment sealed_by);

// What an entry needs to be served: precondition, with the reason, if the version's state, its digest or a revocation
// forbids it. Entries of upstreams hold no version and always pass.
Status check_entry(const Ports& ports, Environment environment, const DeploymentSpec& spec);

}  // namespace hauberk::registry
