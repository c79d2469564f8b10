// What every service of the registry works with, and how evidence becomes trusted: each envelope is opened with the
// keys of the environments before anything in it counts. The services hold references only, make no thread and no
// socket, and read the time from the clock they are given. Thread safety: as the ports (any thread).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/blob_store.h"
#include "core/catalog.h"
#include "core/evidence.h"
#include "core/policy.h"
#include "core/principal.h"

namespace hauberk::registry {

// The keys at hand, one provider per environment; null where this process has none (a gateway of production has no
// reason to hold the keys of dev beyond their public halves, which its provider for dev then serves).
struct EvidenceKeys {
  std::array<crypto::KeyProvider*, 3> providers{};

  crypto::KeyProvider* of(Environment environment) const { return providers[static_cast<std::size_t>(environment)]; }
  EvidenceKeys& set(Environment environment, crypto::KeyProvider& keys) {
    providers[static_cast<std::size_t>(environment)] = &keys;
    return *this;
  }
  // unavailable: the keys of that environment are not at hand.
  Result<crypto::KeyProvider*> need(Environment environment) const;
};

struct Ports {
  BlobStore& blobs;
  Catalog& catalog;
  EvidenceKeys keys;
  const Clock& clock;
};

struct Policies {
  Policy dev;  // quarantined -> scanned by its required evidence, scanned -> approved by its approvals (at least one)
  Policy staging;
  Policy production;
  std::string scan_rules;  // the version of the scanner's rules; scans by another one are stale. Empty: any will do
  const Policy& of(Environment environment) const;
};

// What lies on a digest, opened. Evidence that no key at hand confirms is reported in `refused` and never counted.
struct VerifiedEvidence {
  std::vector<Evidence> good;          // oldest first
  std::vector<Environment> sealed_by;  // beside good: whose key signed it
  std::vector<std::string> refused;    // one sentence each
};
Result<VerifiedEvidence> verified_evidence(Catalog& catalog, const Digest& artifact, const EvidenceKeys& keys);

// denied: an environment has revoked the key of the attestor, since `taken` or earlier. When we took its word is a time
// that we trust.
Status check_attestor(Catalog& catalog, std::string_view key_id, Instant taken);

// A statement about the version, signed with the keys of `environment`. `body` gets "issuer", "time", "environment"
// and, of a token, who made it: "issuer_made_by".
Result<Evidence> seal_about(const Ports& ports, Environment environment, std::string_view predicate_type,
                            const Subject& subject, json::Value body, const Principal& issuer);

// no_grant, with the grant that is missing, unless the principal may.
Status require_grant(const Principal& principal, std::string_view action, std::string_view name,
                     std::optional<ArtifactKind> kind = ArtifactKind::model);
// The version, for who has the grant over its name and kind. Who has it over no kind of that name learns nothing.
Result<Version> require_version(const Ports& ports, const VersionRef& ref, std::string_view action,
                                const Principal& principal);

// dev serves scanned, approved, staging, production; staging serves staging and production; production only production.
bool serves(Environment environment, VersionState state);

// Data keys: what a wrapping is bound to (tenant, blob and environment), and moving one from one environment to
// another. Wrappings of release 0.1, bound to blob and environment only, still open for the tenant "default", and for
// no other.
Bytes key_binding(std::string_view tenant, const Digest& blob, Environment environment);
Result<WrappedKey> wrap_for(const Ports& ports, const Digest& blob, Environment environment, const Secret& data_key);
Result<Secret> unwrap_from(const Ports& ports, const Digest& blob, Environment environment);
// The wrappings for `to` of all blobs of the manifest.
Result<std::vector<WrappedKey>> rewrap(const Ports& ports, const Manifest& manifest, Environment from, Environment to);

}  // namespace hauberk::registry
