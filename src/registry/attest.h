// What the registry says of a version in the words that others use: statements whose predicates are published
// elsewhere, signed like all evidence. Their subjects are the version's manifest and, under the model's name, the root
// digest by which OpenSSF Model Signing and SLSA know the same files. Errors: as in promotion.h. Thread safety: any
// thread.
#pragma once

#include "registry/promotion.h"

namespace hauberk::registry {

// SHA-256 over the files' digests, by path (OMS v1.0): contents and order, not names.
Digest model_root(const Manifest& manifest);

// Would the gate to that environment let the version pass now, and by which evidence: a verification summary (VSA),
// PASSED or FAILED, signed with the environment's key. Grant: read.
Result<Evidence> summarize_verification(const Ports& ports, const Policies& policies, const PromoteRequest& request,
                                        const Principal& principal);
// How the version came here: its import, as SLSA provenance, signed with the key of dev. What happened before the
// import is not claimed. Grant: read.
Result<Evidence> state_provenance(const Ports& ports, const VersionRef& ref, const Principal& principal);

// Takes in what somebody else says of the version: an in-toto statement in a DSSE envelope, or in a Sigstore bundle
// that was signed with a bare key. One of the attestors of dev's policy must have signed it and may say such things; it
// must be about this version, by the root digest, the manifest's, or that of its only file. The registry then says,
// signed with the key of dev, that it saw it: a statement of the same type whose predicate is the foreign one with
// "issuer", "time", "environment" and "attested" (the key and the envelope) put in. Policies ask for it like for any
// evidence. Errors: also denied (nobody who may say that), corrupt (it is not signed well, or is about something else).
// Grant: import.
Result<Evidence> accept_attestation(const Ports& ports, const Policies& policies, const VersionRef& ref,
                                    std::string_view text, const Principal& principal);

}  // namespace hauberk::registry
