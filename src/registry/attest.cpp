#include "registry/attest.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "core/version.h"
#include "crypto/envelope.h"
#include "crypto/signature.h"
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
  CHECK(require_version(ports, request.version, "read", principal));
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
  CHECK(require_version(ports, ref, "read", principal));
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

namespace {

constexpr std::size_t largest_attestation = 4u << 20;

// The envelope, alone or in a bundle.
Result<crypto::Envelope> envelope_in(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto value = json::parse(text, {.bytes = largest_attestation, .depth = 64});
  if (!value) return fail(Errc::corrupt, fmt::format("not an attestation: {}", value.error().message));
  const auto* inside = value->find("dsseEnvelope");
  return crypto::envelope_of(inside != nullptr ? *inside : *value);
}

struct Attested {
  Statement statement;
  std::string key_id;
};
// Only what an attestor signed is parsed; the first one who signed it and may say it counts.
Result<Attested> attested_by(const crypto::Envelope& envelope, std::span<const Attestor> attestors) {
  const auto encoded = crypto::pre_authentication_encoding(crypto::in_toto_type, envelope.payload);
  std::optional<Error> reason;
  for (const auto& attestor : attestors) {
    const auto key = TRY(crypto::VerifyingKey::from_pem(attestor.public_pem));
    const bool signed_it = std::ranges::any_of(
        envelope.signatures, [&](const crypto::EnvelopeSignature& one) { return key.verify(encoded, one.signature); });
    if (!signed_it) continue;
    auto statement = TRY(Statement::parse(envelope.payload));
    if (std::ranges::find(attestor.may, statement.predicate_type) != attestor.may.end())
      return Attested{std::move(statement), key.id()};
    reason = Error{Errc::denied,
                   fmt::format("{} may not attest {:.200}; the policy of dev says what each may", key.id(),
                               statement.predicate_type),
                   {}};
  }
  if (reason) return std::unexpected(std::move(*reason));
  return fail(Errc::denied, "it is signed by none of the attestors that the policy of dev names");
}

bool is_about(const Statement& statement, const Manifest& manifest) {
  return std::ranges::any_of(statement.subjects, [&](const Subject& subject) {
    return subject.digest == manifest.digest() || subject.digest == model_root(manifest) ||
           (manifest.files.size() == 1 && subject.digest == manifest.files.front().digest);
  });
}

}  // namespace

Result<Evidence> accept_attestation(const Ports& ports, const Policies& policies, const VersionRef& ref,
                                    std::string_view text, const Principal& principal) {
  const auto version = TRY(require_version(ports, ref, "import", principal));
  const auto envelope = TRY(envelope_in(text));
  auto [statement, key_id] = TRY(attested_by(envelope, policies.dev.attestors));
  CHECK(check_attestor(ports.catalog, key_id, ports.clock.now()));
  if (version.state == VersionState::revoked)
    return fail(Errc::precondition, "it is revoked; nothing can be added", version.ref());
  if (!is_about(statement, version.manifest))
    return fail(Errc::corrupt,
                fmt::format("the attestation is about {:.100}, not about this version",
                            statement.subjects.front().digest.text()),
                version.ref());
  auto body = statement.predicate.is_object() ? std::move(statement.predicate) : json::Value::object();
  body.set("attested", json::Value().set("key", key_id).set("envelope", crypto::to_json(envelope)));
  body.set("issuer", key_id).set("time", rfc3339(ports.clock.now())).set("environment", name(Environment::dev));
  const Statement ours{{{version.ref(), version.manifest.digest()}}, statement.predicate_type, std::move(body)};
  auto evidence = TRY(seal(ours, *TRY(ports.keys.need(Environment::dev))));
  CHECK(ports.catalog.add_evidence(version.manifest.digest(), {evidence}));
  return evidence;
}

}  // namespace hauberk::registry
