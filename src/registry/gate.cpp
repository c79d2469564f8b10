#include "registry/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace hauberk::registry {
namespace {

Requirement scan_floor() {
  auto acceptable = json::Value::array();
  acceptable.push("CLEAN").push("REVIEW");
  return Requirement{
      std::string(predicate::scan), {{"/verdict", Comparison::one_of, std::move(acceptable)}}, std::nullopt};
}

bool import_is_confirmed(const Examined& examined) {
  return std::ranges::any_of(examined.evidence.good, [&](const Evidence& piece) {
    const auto& statement = piece.statement;
    return statement.predicate_type == predicate::import && statement.issuer() == examined.version.imported_by &&
           statement.predicate.text_or("name", "") == examined.version.name &&
           std::ranges::any_of(statement.subjects,
                               [&](const Subject& subject) { return subject.digest == examined.artifact; });
  });
}

}  // namespace

bool is_stale(const Examined& examined, std::string_view scan_rules) {
  const auto& good = examined.evidence.good;  // oldest first, and the newest counts
  for (auto piece = good.rbegin(); piece != good.rend(); ++piece)
    if (piece->statement.predicate_type == predicate::scan)
      return piece->statement.predicate.text_or("rules_version", "") != scan_rules;
  return false;
}

Result<Examined> examine(const Ports& ports, const VersionRef& ref) {
  auto version = TRY(ports.catalog.version(ref));
  const auto artifact = version.manifest.digest();
  auto evidence = TRY(verified_evidence(ports.catalog, artifact, ports.keys));
  return Examined{std::move(version), artifact, std::move(evidence)};
}

Decision decide(Policy policy, const Examined& examined, Ages ages, Instant now, std::string_view scan_rules) {
  policy.required.insert(policy.required.begin(), scan_floor());
  if (ages == Ages::ignore)
    for (auto& requirement : policy.required) requirement.max_age.reset();
  auto decision = evaluate(policy, examined.artifact, examined.evidence.good, examined.version.imported_by, now);
  // A policy that names the scan itself says once more what the floor has said.
  for (auto* list : {&decision.reasons, &decision.missing}) {
    std::set<std::string> seen;
    std::erase_if(*list, [&](const std::string& sentence) { return !seen.insert(sentence).second; });
  }
  if (ages == Ages::count && !scan_rules.empty() && is_stale(examined, scan_rules)) {
    decision.allow = false;
    decision.missing.push_back(
        fmt::format("a scan by the present rules ({}): hauberk model rescan {}", scan_rules, examined.version.ref()));
  }
  if (!import_is_confirmed(examined)) {
    decision.allow = false;
    decision.reasons.push_back(
        fmt::format("no valid import evidence confirms that {} imported it", examined.version.imported_by));
  }
  return decision;
}

std::string summary(const Decision& decision) {
  std::string text;
  const auto add = [&](std::string_view part) { text += (text.empty() ? "" : "; ") + std::string(part); };
  for (const auto& missing : decision.missing) add("missing: " + missing);
  for (const auto& reason : decision.reasons) add(reason);
  return text;
}

void include(Examined& examined, const Evidence& evidence, Environment sealed_by) {
  examined.evidence.good.push_back(evidence);
  examined.evidence.sealed_by.push_back(sealed_by);
}

Status check_entry(const Ports& ports, Environment environment, const DeploymentSpec& spec) {
  if (spec.model.empty()) return {};
  const auto examined = TRY(examine(ports, {spec.model, spec.version}));
  const auto ref = examined.version.ref();
  if (examined.artifact != spec.artifact)
    return fail(Errc::corrupt, "the deployment's digest is not that of the version; do not serve it", ref);
  if (!serves(environment, examined.version.state))
    return fail(Errc::precondition,
                fmt::format("it is {}, which {} does not serve", name(examined.version.state), name(environment)), ref);
  for (const auto& piece : examined.evidence.good)
    if (piece.statement.predicate_type == predicate::revocation)
      return fail(Errc::precondition, "its content was revoked", ref);
  return {};
}

}  // namespace hauberk::registry
