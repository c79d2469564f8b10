// The way up: scan evidence, approvals, staging, production. Each step opens and verifies all evidence anew, evaluates
// the policy of the environment it leads to, and then changes the state, re-wraps the data keys and appends the
// deployment entry in one catalogue transaction. A policy that says no is a Decision, not an Error. Whatever a policy
// file says, a scan must be there and its verdict CLEAN or REVIEW: MALICIOUS, MALFORMED and INCONCLUSIVE never pass.
// Errors: denied (grant), precondition (wrong state), corrupt, unavailable. Thread safety: any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "registry/ports.h"

namespace hauberk::registry {

struct StepResult {
  Decision decision;
  Version version;                                // as it is after the step
  std::vector<std::string> refused_evidence;      // what was not counted and why
  std::optional<Evidence> evidence;               // what the step sealed, if it sealed any
  std::optional<std::uint64_t> deployment_entry;  // of a promotion
};

// Seals the scanner's report (a JSON object with "verdict") and, if the policy of dev holds, quarantined -> scanned. On
// a version past quarantine the evidence is added and the state stays: a later, worse verdict stops the next gate and
// the next load. Grant: import.
Result<StepResult> record_scan(const Ports& ports, const Policies& policies, const VersionRef& ref, json::Value report,
                               const Principal& principal);

// Seals one approval, of a version that is scanned, approved or in staging; scanned -> approved once those that the
// policy of dev asks for are there. The importer is denied unless that policy has self_approval. Grant: approve.
Result<StepResult> approve(const Ports& ports, const Policies& policies, const VersionRef& ref,
                           std::string_view comment, const Principal& principal);

struct PromoteRequest {
  VersionRef version;
  Environment target = Environment::staging;   // staging or production
  std::string deployment;                      // empty: the model's name
  json::Value config = json::Value::object();  // the deployment's section of the configuration
};
// approved -> staging or staging -> production, and the deployment there serves it. Grant: promote.
Result<StepResult> promote(const Ports& ports, const Policies& policies, const PromoteRequest& request,
                           const Principal& principal);
// What promote() would decide now, without changing anything. Grant: read.
Result<StepResult> preview(const Ports& ports, const Policies& policies, const PromoteRequest& request,
                           const Principal& principal);

// Puts a version that the environment already serves (see serves()) or an upstream (no model) under a deployment's
// name, as a new current entry: new configuration, or dev, which needs no promotion. No entry is made if nothing
// changed. Returns the id of the current entry. Grant: promote.
Result<std::uint64_t> deploy(const Ports& ports, Environment environment, std::string_view deployment,
                             DeploymentSpec spec, std::string_view reason, const Principal& principal);

// production -> retired. precondition while a deployment still serves it. Grant: promote.
Result<Version> retire(const Ports& ports, const VersionRef& ref, std::string_view reason, const Principal& principal);

}  // namespace hauberk::registry
