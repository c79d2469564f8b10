#include "registry/ports.h"

#include <fmt/format.h>

namespace hauberk::registry {

Result<crypto::KeyProvider*> EvidenceKeys::need(Environment environment) const {
  auto* keys = of(environment);
  if (keys != nullptr) return keys;
  return fail(Errc::unavailable,
              fmt::format("the keys of {} are not at hand; check the data directory", name(environment)), "keys");
}

const Policy& Policies::of(Environment environment) const {
  switch (environment) {
    case Environment::dev:
      return dev;
    case Environment::staging:
      return staging;
    case Environment::production:
      return production;
  }
  return production;
}

namespace {

struct Opened {
  Evidence evidence;
  Environment sealed_by;
};

// `denied` of one provider means only that it does not know the signer; any other answer is the answer.
Result<Opened> open_with_any(std::string_view envelope, const EvidenceKeys& keys) {
  for (const auto environment : all_environments) {
    auto* provider = keys.of(environment);
    if (provider == nullptr) continue;
    auto opened = open_evidence(envelope, *provider);
    if (opened) return Opened{*std::move(opened), environment};
    if (opened.error().code != Errc::denied) return std::unexpected(std::move(opened).error());
  }
  return fail(Errc::denied, "signed by a key that is not known here");
}

// What was taken from an attestor carries the id of its key.
Status check_taken(Catalog& catalog, const Statement& statement) {
  const auto* attested = statement.predicate.find("attested");
  if (attested == nullptr) return {};
  return check_attestor(catalog, attested->text_or("key", ""), statement.time().value_or(Instant::max()));
}

}  // namespace

Status check_attestor(Catalog& catalog, std::string_view key_id, Instant taken) {
  for (const auto environment : all_environments)
    for (const auto& one : TRY(catalog.revocations(environment)))
      if (one.thing == Revocable::key && one.value == key_id && one.since <= taken)
        return fail(Errc::denied,
                    fmt::format("the key of its attestor is revoked since {}: {}", rfc3339(one.since), one.reason),
                    std::string(key_id));
  return {};
}

Result<VerifiedEvidence> verified_evidence(Catalog& catalog, const Digest& artifact, const EvidenceKeys& keys) {
  const auto envelopes = TRY(catalog.evidence(artifact));
  VerifiedEvidence verified;
  for (std::size_t i = 0; i < envelopes.size(); ++i) {
    auto opened = open_with_any(envelopes[i], keys);
    if (opened)
      if (auto counts = check_taken(catalog, opened->evidence.statement); !counts)
        opened = std::unexpected(std::move(counts).error());
    if (opened) {
      verified.good.push_back(std::move(opened->evidence));
      verified.sealed_by.push_back(opened->sealed_by);
    } else if (opened.error().code == Errc::corrupt || opened.error().code == Errc::denied ||
               opened.error().code == Errc::invalid) {
      verified.refused.push_back(
          fmt::format("evidence {} of {} is not counted: {}", i + 1, envelopes.size(), opened.error().message));
    } else {
      return std::unexpected(std::move(opened).error());  // could not check: the keys are out of reach
    }
  }
  return verified;
}

Result<Evidence> seal_about(const Ports& ports, Environment environment, std::string_view predicate_type,
                            const Subject& subject, json::Value body, const Principal& issuer) {
  auto* keys = TRY(ports.keys.need(environment));
  if (!issuer.made_by.empty()) {
    auto makers = json::Value::array();
    for (const auto& maker : issuer.made_by) makers.push(maker);
    body.set("issuer_made_by", std::move(makers));
  }
  body.set("issuer", issuer.subject).set("time", rfc3339(ports.clock.now())).set("environment", name(environment));
  return seal(Statement{{subject}, std::string(predicate_type), std::move(body)}, *keys);
}

Status require_grant(const Principal& principal, std::string_view action, std::string_view name,
                     std::optional<ArtifactKind> kind) {
  if (principal.allowed(action, name, kind)) return {};
  const auto over =
      kind && has_own_grants(*kind) ? fmt::format("{}/{}", hauberk::name(*kind), name) : std::string(name);
  return fail(Errc::no_grant,
              fmt::format("{} may not do this; it needs the grant {}:{}",
                          principal.subject.empty() ? "nobody known" : principal.subject, action, over),
              std::string(name));
}

Result<Version> require_version(const Ports& ports, const VersionRef& ref, std::string_view action,
                                const Principal& principal) {
  if (!principal.allowed_of_any_kind(action, ref.name)) CHECK(require_grant(principal, action, ref.name));
  auto version = TRY(ports.catalog.version(ref));
  CHECK(require_grant(principal, action, version.name, version.manifest.kind));
  return version;
}

bool serves(Environment environment, VersionState state) {
  switch (state) {
    case VersionState::quarantined:
    case VersionState::retired:
    case VersionState::revoked:
      return false;
    case VersionState::scanned:
    case VersionState::approved:
      return environment == Environment::dev;
    case VersionState::staging:
      return environment != Environment::production;
    case VersionState::production:
      return true;
  }
  return false;
}

Bytes key_binding(std::string_view tenant, const Digest& blob, Environment environment) {
  return to_bytes(fmt::format("hauberk data key v2\n{}\n{}\n{}\n", tenant, blob.text(), name(environment)));
}

namespace {

Result<Secret> unwrap_any_version(crypto::KeyProvider& keys, const WrappedKey& key, std::string_view tenant) {
  auto data_key = keys.unwrap(key.key_id, key.wrapped, key_binding(tenant, key.blob, key.environment));
  if (data_key || data_key.error().code != Errc::corrupt || tenant != "default") return data_key;
  const auto without_tenant =
      to_bytes(fmt::format("hauberk data key v1\n{}\n{}\n", key.blob.text(), name(key.environment)));
  return keys.unwrap(key.key_id, key.wrapped, without_tenant);
}

}  // namespace

Result<WrappedKey> wrap_for(const Ports& ports, const Digest& blob, Environment environment, const Secret& data_key) {
  auto* keys = TRY(ports.keys.need(environment));
  auto key_id = TRY(keys->key_id(crypto::KeyPurpose::wrap));
  auto wrapped = TRY(keys->wrap(data_key, key_binding(ports.blobs.tenant(), blob, environment)));
  return WrappedKey{blob, environment, std::move(key_id), std::move(wrapped)};
}

Result<Secret> unwrap_from(const Ports& ports, const Digest& blob, Environment environment) {
  auto* keys = TRY(ports.keys.need(environment));
  const auto key = TRY(ports.catalog.wrapped_key(blob, environment));
  if (!key)
    return fail(Errc::corrupt,
                fmt::format("the data key of this blob for {} is missing; restore the last backup of the catalogue",
                            name(environment)),
                blob.text());
  auto data_key = unwrap_any_version(*keys, *key, ports.blobs.tenant());
  if (!data_key)
    return std::unexpected(
        std::move(data_key).error().in(fmt::format("data key of {} for {}", blob.brief(), name(environment))));
  return data_key;
}

Result<std::vector<WrappedKey>> rewrap(const Ports& ports, const Manifest& manifest, Environment from, Environment to) {
  std::vector<WrappedKey> keys;
  keys.reserve(manifest.files.size());
  for (const auto& file : manifest.files) {
    const auto data_key = TRY(unwrap_from(ports, file.digest, from));
    keys.push_back(TRY(wrap_for(ports, file.digest, to, data_key)));
  }
  return keys;
}

}  // namespace hauberk::registry
