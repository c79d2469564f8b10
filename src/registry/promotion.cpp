#include "registry/promotion.h"

#include <fmt/format.h>

#include <algorithm>

#include "registry/gate.h"

namespace hauberk::registry {
namespace {

constexpr std::string_view verdicts[] = {"CLEAN", "REVIEW", "MALICIOUS", "MALFORMED", "INCONCLUSIVE"};
constexpr std::size_t most_comment_bytes = 1024;

StepResult result_of(Examined examined, Decision decision) {
  return {std::move(decision), std::move(examined.version), std::move(examined.evidence.refused), std::nullopt,
          std::nullopt};
}

// The step from dev's point of view: its required evidence; the approvals are the next step's.
Policy for_scan(Policy policy) {
  policy.approvals = 0;
  return policy;
}
Policy for_approval(Policy policy) {
  policy.approvals = std::max(policy.approvals, 1u);
  return policy;
}

bool has_approved(const Examined& examined, std::string_view subject) {
  return std::ranges::any_of(examined.evidence.good, [&](const Evidence& piece) {
    return piece.statement.predicate_type == predicate::approval && piece.statement.issuer() == subject;
  });
}

// Why the principal may be whoever imported the version, or the same content as something else.
std::optional<std::string> takes_part(const Examined& examined, const Principal& principal) {
  const Party approver{principal.subject, principal.made_by};
  if (same_subject(approver.subject, examined.version.imported_by))
    return "whoever imported a version does not approve it";
  for (const auto& piece : examined.evidence.good) {
    if (piece.statement.predicate_type != predicate::import) continue;
    const auto importer = party_of(piece.statement);
    if (same_subject(importer.subject, approver.subject))
      return fmt::format("{} imported the same content as {}", approver.subject,
                         piece.statement.predicate.text_or("name", "something else"));
    if (may_be_one(approver, importer))
      return fmt::format("the token of one of {} and {}, who imported it, was made by the other", approver.subject,
                         importer.subject);
  }
  return std::nullopt;
}

// What an approval was good for: the step it may have opened, or the gate that comes next.
Decision decide_after_approval(const Policies& policies, const Examined& examined, Instant now) {
  switch (examined.version.state) {
    case VersionState::approved:
      return decide(policies.staging, examined, Ages::count, now, policies.scan_rules);
    case VersionState::staging:
      return decide(policies.production, examined, Ages::count, now, policies.scan_rules);
    default:
      return decide(for_approval(policies.dev), examined, Ages::count, now, policies.scan_rules);
  }
}

Status check_servable(const Version& version) {
  if (version.manifest.kind == ArtifactKind::model) return {};
  return fail(Errc::precondition,
              fmt::format("it is of the kind {}: only models are promoted and served", name(version.manifest.kind)),
              version.ref());
}

struct Gate {
  VersionState from, to;
  Environment keys_from;
};
Result<Gate> gate_to(Environment target) {
  switch (target) {
    case Environment::dev:
      break;
    case Environment::staging:
      return Gate{VersionState::approved, VersionState::staging, Environment::dev};
    case Environment::production:
      return Gate{VersionState::staging, VersionState::production, Environment::staging};
  }
  return fail(Errc::invalid, "a version is promoted to staging or production; dev serves what is scanned");
}

struct Weighed {
  Examined examined;
  Decision decision;
  Gate gate;
  std::string deployment;
};

Result<Weighed> weigh(const Ports& ports, const Policies& policies, const PromoteRequest& request,
                      const Principal& principal, std::string_view action) {
  const auto gate = TRY(gate_to(request.target));
  const auto deployment = request.deployment.empty() ? request.version.name : request.deployment;
  CHECK(check_name(deployment));
  const auto version = TRY(require_version(ports, request.version, action, principal));
  CHECK(require_grant(principal, action, deployment));
  CHECK(check_servable(version));
  auto examined = TRY(examine(ports, request.version));
  if (auto step = find_transition(examined.version.state, gate.to); !step)
    return std::unexpected(std::move(step).error().in(examined.version.ref()));
  auto decision = decide(policies.of(request.target), examined, Ages::count, ports.clock.now(), policies.scan_rules);
  return Weighed{std::move(examined), std::move(decision), gate, deployment};
}

std::optional<std::uint64_t> newest_entry_with(const Deployment& deployment, const DeploymentSpec& spec) {
  for (auto entry = deployment.history.rbegin(); entry != deployment.history.rend(); ++entry)
    if (entry->spec == spec) return entry->id;
  return std::nullopt;
}

}  // namespace

Result<StepResult> record_scan(const Ports& ports, const Policies& policies, const VersionRef& ref, json::Value report,
                               const Principal& principal) {
  CHECK(require_version(ports, ref, "import", principal));
  if (!report.is_object() || std::ranges::find(verdicts, report.text_or("verdict", "")) == std::end(verdicts))
    return fail(Errc::invalid, "a scan report needs a verdict: CLEAN, REVIEW, MALICIOUS, MALFORMED or INCONCLUSIVE",
                ref.text());
  auto examined = TRY(examine(ports, ref));
  const auto state = examined.version.state;
  if (state == VersionState::revoked)
    return fail(Errc::precondition, "it is revoked; nothing can be added", examined.version.ref());

  auto evidence = TRY(seal_about(ports, Environment::dev, predicate::scan, {examined.version.ref(), examined.artifact},
                                 std::move(report), principal));
  include(examined, evidence, Environment::dev);
  auto decision = decide(for_scan(policies.dev), examined, Ages::count, ports.clock.now(), policies.scan_rules);
  if (state == VersionState::quarantined && decision.allow) {
    CHECK(ports.catalog.change_state(
        {{examined.version.name, examined.version.number}, state, VersionState::scanned, {evidence}, {}, {}, {}, {}}));
    examined.version.state = VersionState::scanned;
  } else {
    CHECK(ports.catalog.add_evidence(examined.artifact, {evidence}));
  }
  auto result = result_of(std::move(examined), std::move(decision));
  result.evidence = std::move(evidence);
  return result;
}

Result<StepResult> approve(const Ports& ports, const Policies& policies, const VersionRef& ref,
                           std::string_view comment, const Principal& principal) {
  CHECK(require_version(ports, ref, "approve", principal));
  if (principal.subject.empty()) return fail(Errc::denied, "an approval needs a name", ref.text());
  if (principal.service)
    return fail(Errc::no_grant,
                fmt::format("{} is a service account: approvals are given by persons", principal.subject), ref.text());
  if (comment.size() > most_comment_bytes)
    return fail(Errc::invalid, "the comment is longer than 1024 bytes", ref.text());
  auto examined = TRY(examine(ports, ref));
  const auto state = examined.version.state;
  if (state != VersionState::scanned && state != VersionState::approved && state != VersionState::staging)
    return fail(
        Errc::precondition,
        fmt::format("it is {}; approvals are given to versions that are scanned, approved or in staging", name(state)),
        examined.version.ref());
  if (!policies.dev.self_approval)
    if (auto why = takes_part(examined, principal))
      return result_of(std::move(examined), Decision{false, {*std::move(why)}, {"an approval by somebody else"}});

  const Version before = examined.version;
  std::optional<Evidence> sealed;
  if (!has_approved(examined, principal.subject)) {
    auto body = json::Value::object();
    if (!comment.empty()) body.set("comment", comment);
    sealed = TRY(seal_about(ports, Environment::dev, predicate::approval, {before.ref(), examined.artifact},
                            std::move(body), principal));
    include(examined, *sealed, Environment::dev);
  }
  const auto fresh = sealed ? std::vector<Evidence>{*sealed} : std::vector<Evidence>{};
  auto decision = decide_after_approval(policies, examined, ports.clock.now());
  if (state == VersionState::scanned && decision.allow) {
    CHECK(ports.catalog.change_state(
        {{before.name, before.number}, state, VersionState::approved, fresh, {}, {}, {}, {}}));
    examined.version.state = VersionState::approved;
  } else if (sealed) {
    CHECK(ports.catalog.add_evidence(examined.artifact, fresh));
  }
  auto result = result_of(std::move(examined), std::move(decision));
  result.evidence = std::move(sealed);
  return result;
}

Result<StepResult> preview(const Ports& ports, const Policies& policies, const PromoteRequest& request,
                           const Principal& principal) {
  auto weighed = TRY(weigh(ports, policies, request, principal, "read"));
  return result_of(std::move(weighed.examined), std::move(weighed.decision));
}

Result<StepResult> promote(const Ports& ports, const Policies& policies, const PromoteRequest& request,
                           const Principal& principal) {
  auto [examined, decision, gate, deployment] = TRY(weigh(ports, policies, request, principal, "promote"));
  if (!decision.allow) return result_of(std::move(examined), std::move(decision));

  const auto& version = examined.version;
  DeploymentEntry entry{0,
                        {version.name, version.number, examined.artifact, request.config},
                        ports.clock.now(),
                        principal.subject,
                        "promote"};
  auto keys = TRY(rewrap(ports, version.manifest, gate.keys_from, request.target));
  auto body = json::Value::object();
  body.set("from", name(gate.from))
      .set("to", name(request.target))
      .set("deployment", deployment)
      .set("state", entry.spec.digest().text());
  auto reasons = json::Value::array();
  for (const auto& reason : decision.reasons) reasons.push(reason);
  body.set("reasons", std::move(reasons));
  auto evidence = TRY(seal_about(ports, request.target, predicate::promotion, {version.ref(), examined.artifact},
                                 std::move(body), principal));
  CHECK(ports.catalog.change_state({{version.name, version.number},
                                    gate.from,
                                    gate.to,
                                    {evidence},
                                    std::move(keys),
                                    request.target,
                                    deployment,
                                    entry}));
  examined.version.state = gate.to;

  auto result = result_of(std::move(examined), std::move(decision));
  result.evidence = std::move(evidence);
  result.deployment_entry = newest_entry_with(TRY(ports.catalog.deployment(request.target, deployment)), entry.spec);
  return result;
}

Result<std::uint64_t> deploy(const Ports& ports, Environment environment, std::string_view deployment,
                             DeploymentSpec spec, std::string_view reason, const Principal& principal) {
  CHECK(check_name(deployment));
  CHECK(require_grant(principal, "promote", deployment));
  if (!spec.model.empty()) {
    const auto version = TRY(require_version(ports, {spec.model, spec.version}, "promote", principal));
    CHECK(check_servable(version));
    spec.version = version.number;
    if (spec.artifact == Digest{}) spec.artifact = version.manifest.digest();
    CHECK(check_entry(ports, environment, spec));
  }
  auto present = ports.catalog.deployment(environment, deployment);
  if (!present && present.error().code != Errc::not_found) return std::unexpected(std::move(present).error());
  const auto* current = present ? present->entry() : nullptr;
  if (current != nullptr && current->spec.digest() == spec.digest()) return current->id;
  return ports.catalog.deploy(environment, deployment,
                              {0, std::move(spec), ports.clock.now(), principal.subject, std::string(reason)});
}

Result<Version> retire(const Ports& ports, const VersionRef& ref, std::string_view reason, const Principal& principal) {
  auto version = TRY(require_version(ports, ref, "promote", principal));
  if (auto step = find_transition(version.state, VersionState::retired); !step)
    return std::unexpected(std::move(step).error().in(version.ref()));
  const auto artifact = version.manifest.digest();
  for (const auto environment : all_environments)
    for (const auto& deployment : TRY(ports.catalog.deployments(environment)))
      if (const auto* entry = deployment.entry();
          entry != nullptr && entry->spec.model == version.name && entry->spec.version == version.number)
        return fail(Errc::precondition,
                    fmt::format("the deployment {} in {} still serves it; promote a successor or roll back first",
                                deployment.name, name(environment)),
                    version.ref());
  auto body = json::Value::object();
  body.set("from", name(version.state)).set("to", name(VersionState::retired)).set("reason", reason);
  auto evidence = TRY(seal_about(ports, Environment::production, predicate::promotion, {version.ref(), artifact},
                                 std::move(body), principal));
  CHECK(ports.catalog.change_state(
      {{version.name, version.number}, version.state, VersionState::retired, {std::move(evidence)}, {}, {}, {}, {}}));
  version.state = VersionState::retired;
  return version;
}

}  // namespace hauberk::registry
