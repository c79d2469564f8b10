#include "registry/attest.h"

#include <fmt/format.h>

#include "core/version.h"
#include "registry/gate.h"

namespace hauberk::registry {
namespace {

json::Value sha256_of(const Digest& digest) { return json::Value().set("sha256", digest.hex()); }

std::vector<Subject> subjects_of(const Version& version) {
  return {{version.name, model_root(version.manifest)}, {version.ref(), version.manifest.digest()}};
}

json::Value builder_version() { return json::Value().set("hauberk", std::string(program_version)); }

Result<Evidence> seal_statement(const Ports& ports, Environment environment, std::string_view type,
                                const Version& version, json::Value body) {
  const Statement statement{subjects_of(version), std::string(type), std::move(body)};
  return seal(statement, *TRY(ports.keys.need(environment)));
}

}  // namespace

Digest model_root(const Manifest& manifest) {
  crypto::Sha256 hash;
  for (const auto& file : manifest.files) hash.update(file.digest.bytes);
  return hash.finish();
}

Result<Evidence> summarize_verification(const Ports& ports, const Policies& policies, const PromoteRequest& request,
                                        const Principal& principal) {
  CHECK(require_grant(principal, "read", request.version.name));
  const auto examined = TRY(examine(ports, request.version));
  const auto& policy = policies.of(request.target);
  const auto decision = decide(policy, examined, Ages::count, ports.clock.now(), policies.scan_rules);
  const auto place = name(request.target);
  json::Value inputs = json::Value::array();
  for (const auto& piece : examined.evidence.good)
    inputs.push(json::Value()
                    .set("uri", fmt::format("hauberk:evidence/{}", piece.id.hex()))
                    .set("digest", sha256_of(piece.id)));
  json::Value levels = json::Value::array();
  levels.push(decision.allow ? std::string("HAUBERK_POLICY_PASSED") : std::string("FAILED"));
  json::Value body;
  body.set(
      "verifier",
      json::Value().set("id", fmt::format("https://hauberk.dev/registry/{}", place)).set("version", builder_version()));
  body.set("timeVerified", rfc3339(ports.clock.now()));
  body.set("resourceUri", fmt::format("hauberk://{}/{}", place, examined.version.name));
  body.set("policy", json::Value()
                         .set("uri", fmt::format("hauberk:policy/{}", place))
                         .set("digest", sha256_of(crypto::sha256(as_bytes(json::write(to_json(policy)))))));
  body.set("inputAttestations", std::move(inputs));
  body.set("verificationResult", decision.allow ? "PASSED" : "FAILED");
  body.set("verifiedLevels", std::move(levels)).set("slsaVersion", "1.0");
  if (!decision.allow) body.set("hauberk_reasons", summary(decision));
  return seal_statement(ports, request.target, predicate::verification_summary, examined.version, std::move(body));
}

Result<Evidence> state_provenance(const Ports& ports, const VersionRef& ref, const Principal& principal) {
  CHECK(require_grant(principal, "read", ref.name));
  const auto examined = TRY(examine(ports, ref));
  const auto& version = examined.version;
  json::Value byproducts = json::Value::array();
  std::string invocation;
  for (const auto& piece : examined.evidence.good) {
    const auto& type = piece.statement.predicate_type;
    if (type == predicate::import && invocation.empty()) invocation = piece.id.hex();
    if (type == predicate::scan)
      byproducts.push(json::Value()
                          .set("name", "scan report")
                          .set("uri", fmt::format("hauberk:evidence/{}", piece.id.hex()))
                          .set("digest", sha256_of(piece.id)));
  }
  json::Value files = json::Value::array();
  for (const auto& file : version.manifest.files)
    files.push(json::Value().set("name", file.path).set("digest", sha256_of(file.digest)));
  json::Value definition;
  definition.set("buildType", "https://hauberk.dev/buildtypes/import/v1");
  definition.set("externalParameters", json::Value().set("name", version.name).set("origin", version.origin));
  definition.set("internalParameters", json::Value().set("importedBy", version.imported_by));
  definition.set("resolvedDependencies", std::move(files));
  json::Value details;
  details.set("builder", json::Value().set("id", "https://hauberk.dev/registry/dev").set("version", builder_version()));
  details.set("metadata", json::Value().set("invocationId", invocation).set("startedOn", rfc3339(version.imported)));
  details.set("byproducts", std::move(byproducts));
  json::Value body;
  body.set("buildDefinition", std::move(definition)).set("runDetails", std::move(details));
  return seal_statement(ports, Environment::dev, predicate::provenance, version, std::move(body));
}

}  // namespace hauberk::registry
