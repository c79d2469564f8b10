#include "registry/rollback.h"

#include <fmt/format.h>

#include <algorithm>

#include "registry/gate.h"

namespace hauberk::registry {
namespace {

// Whether an entry could be served now, and if not, why: an error of the catalogue itself is neither.
Result<std::optional<std::string>> obstacle(const Ports& ports, Environment environment, const DeploymentEntry& entry) {
  auto fine = check_entry(ports, environment, entry.spec);
  if (fine) return std::nullopt;
  const auto code = fine.error().code;
  if (code != Errc::precondition && code != Errc::corrupt && code != Errc::not_found)
    return std::unexpected(std::move(fine).error());
  return fine.error().text();
}

std::string usable_entries(const Ports& ports, const Deployment& deployment) {
  std::string text;
  for (const auto& entry : deployment.history) {
    if (entry.id == deployment.current) continue;
    const auto stops = obstacle(ports, deployment.environment, entry);
    if (stops && !*stops) text += (text.empty() ? "" : ", ") + std::to_string(entry.id);
  }
  return text.empty() ? "no other entry would do" : "these entries would do: " + text;
}

Result<DeploymentEntry> choose(const Deployment& deployment, const std::optional<std::uint64_t>& wanted) {
  const DeploymentEntry* chosen = nullptr;
  for (const auto& entry : deployment.history)
    if (wanted ? entry.id == *wanted : entry.id < deployment.current) chosen = &entry;
  if (chosen == nullptr && wanted)
    return fail(Errc::not_found, fmt::format("it has no entry {}", *wanted), deployment.name);
  if (chosen == nullptr) return fail(Errc::precondition, "there is no earlier entry to roll back to", deployment.name);
  if (chosen->id == deployment.current)
    return fail(Errc::precondition, fmt::format("it serves entry {} already", chosen->id), deployment.name);
  return *chosen;
}

Digest content_of(const DeploymentSpec& spec) { return spec.model.empty() ? spec.digest() : spec.artifact; }

// Whose key seals a revocation: that of the environment the version got furthest into.
Environment environment_of(VersionState state) {
  switch (state) {
    case VersionState::staging:
      return Environment::staging;
    case VersionState::production:
    case VersionState::retired:
      return Environment::production;
    default:
      return Environment::dev;
  }
}

Result<std::vector<AffectedDeployment>> deployments_of(const Ports& ports, const Digest& artifact) {
  std::vector<AffectedDeployment> affected;
  for (const auto environment : all_environments)
    for (const auto& deployment : TRY(ports.catalog.deployments(environment)))
      if (const auto* entry = deployment.entry();
          entry != nullptr && !entry->spec.model.empty() && entry->spec.artifact == artifact)
        affected.push_back({environment, deployment.name, entry->id});
  return affected;
}

}  // namespace

Result<RolledBack> rollback(const Ports& ports, const RollbackRequest& request, const Principal& principal) {
  CHECK(require_grant(principal, "rollback", request.deployment));
  const auto deployment = TRY(ports.catalog.deployment(request.environment, request.deployment));
  const auto* current = deployment.entry();
  if (current == nullptr)
    return fail(Errc::corrupt, "the deployment points at no entry; restore the last backup of the catalogue",
                deployment.name);
  const auto target = TRY(choose(deployment, request.entry));
  if (const auto stops = TRY(obstacle(ports, request.environment, target)))
    return fail(Errc::precondition,
                fmt::format("entry {} cannot be served: {}; {}", target.id, *stops, usable_entries(ports, deployment)),
                deployment.name);

  const auto artifact =
      content_of(current->spec);  // the evidence lies on what was rolled away from: that is what failed
  auto body = json::Value::object();
  body.set("deployment", deployment.name)
      .set("from", current->id)
      .set("to", target.id)
      .set("to_artifact", content_of(target.spec).text());
  body.set("reason", request.reason);
  auto evidence = TRY(seal_about(ports, request.environment, predicate::rollback, {deployment.name, artifact},
                                 std::move(body), principal));
  CHECK(ports.catalog.point_at(request.environment, deployment.name, current->id, target.id, {evidence}, artifact));
  return RolledBack{*current, target, std::move(evidence)};
}

Result<Revoked> revoke(const Ports& ports, const VersionRef& ref, std::string_view reason, const Principal& principal) {
  const auto named = TRY(require_version(ports, ref, "revoke", principal));
  const auto artifact = named.manifest.digest();
  if (reason.empty())
    return fail(Errc::invalid, "say why it is revoked: the reason is shown wherever it is refused", named.ref());

  auto environment = Environment::dev;
  std::vector<Version> versions;
  for (auto& version : TRY(ports.catalog.versions(""))) {
    if (version.manifest.digest() != artifact || version.state == VersionState::revoked) continue;
    CHECK(require_grant(principal, "revoke", version.name, version.manifest.kind));
    environment = std::max(environment, environment_of(version.state));
    versions.push_back(std::move(version));
  }
  if (versions.empty()) return fail(Errc::precondition, "it is revoked already", named.ref());

  auto body = json::Value::object();
  body.set("reason", reason);
  auto evidence =
      TRY(seal_about(ports, environment, predicate::revocation, {named.ref(), artifact}, std::move(body), principal));
  // The evidence lands with the first of them and from then on refuses the content under every name.
  for (auto& version : versions) {
    CHECK(ports.catalog.change_state(
        {{version.name, version.number}, version.state, VersionState::revoked, {evidence}, {}, {}, {}, {}}));
    version.state = VersionState::revoked;
  }
  return Revoked{std::move(versions), TRY(deployments_of(ports, artifact)), std::move(evidence)};
}

}  // namespace hauberk::registry
