// Whom a verifier believes of Sigstore's services: certificate authorities, transparency logs, certificate logs and
// timestamp authorities, each with the time in which it may be believed (trusted_root.json of the sigstore protobuf
// specs, version 0.1). Keys and certificates of kinds that are not supported are left out. Pure; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "crypto/certificate.h"
#include "crypto/timestamp.h"

namespace hauberk::sign {

struct TransparencyLog {
  Bytes id;  // of the log's key, as entries name it
  crypto::VerifyingKey key;
  Instant from, to;  // both inclusive, here and below
};
struct CertificateAuthority {
  std::vector<crypto::Certificate> chain;  // issuer of the leaves first, the root last
  Instant from, to;
};

struct TrustedRoot {
  std::vector<TransparencyLog> logs;
  std::vector<CertificateAuthority> authorities;
  std::vector<crypto::CertificateLog> certificate_logs;
  std::vector<crypto::TimestampAuthority> timestamp_authorities;
};
Result<TrustedRoot> parse_trusted_root(std::string_view text);

}  // namespace hauberk::sign
