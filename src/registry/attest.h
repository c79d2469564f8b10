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

}  // namespace hauberk::registry
