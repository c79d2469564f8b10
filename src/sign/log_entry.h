// Entries of a transparency log (Rekor, versions 1 and 2), checked offline: that the log took the entry in, when, and
// that the entry tells of this signature and no other. Pure; any thread.
#pragma once

#include <optional>

#include "sign/bundle.h"
#include "sign/trusted_root.h"

namespace hauberk::sign {

// What an entry must tell of.
struct Signed {
  const Bundle& bundle;
  Digest digest;      // of what the key signed: the file, or the envelope's pre-authentication encoding
  Bytes certificate;  // DER of the signer's; empty where a bare key signed
  std::string key_pem;
};

// Checks the promise (signed entry timestamp) and the proof of inclusion, as far as they are there; one must be, and
// the proof alone counts unless the bundle is of version 0.1. Answers the time at which the log took the entry in,
// where it tells and proves one. denied: no log that is trusted here did; corrupt: the entry contradicts itself.
Result<std::optional<Instant>> check_inclusion(const LogEntry& entry, int bundle_version, const TrustedRoot& root);
// Errc::denied: the entry is of another signature.
Status check_entry_tells_of(const LogEntry& entry, const Signed& what);

}  // namespace hauberk::sign
