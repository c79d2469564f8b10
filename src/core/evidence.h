// Evidence: a signed statement about digests: an in-toto Statement v1 in a DSSE envelope (protocols: in-toto
// Attestation Framework, DSSE v1). Predicate types of our own are https://hauberk.dev/<kind>/v1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/key_provider.h"

namespace hauberk {

namespace predicate {
inline constexpr std::string_view scan = "https://hauberk.dev/scan/v1";
inline constexpr std::string_view import = "https://hauberk.dev/import/v1";
inline constexpr std::string_view approval = "https://hauberk.dev/approval/v1";
inline constexpr std::string_view promotion = "https://hauberk.dev/promotion/v1";
inline constexpr std::string_view rollback = "https://hauberk.dev/rollback/v1";
inline constexpr std::string_view revocation = "https://hauberk.dev/revocation/v1";  // of a version
inline constexpr std::string_view revocations =
    "https://hauberk.dev/revocations/v1";  // of signatures: core/revocations
// Published by others.
inline constexpr std::string_view provenance = "https://slsa.dev/provenance/v1";
inline constexpr std::string_view verification_summary = "https://slsa.dev/verification_summary/v1";
}  // namespace predicate

struct Subject {
  std::string name;
  Digest digest;
  bool operator==(const Subject&) const = default;
};

struct Statement {
  std::vector<Subject> subjects;
  std::string predicate_type;
  json::Value predicate;  // ours always hold "issuer" (text) and "time" (RFC 3339)

  json::Value to_json() const;  // "_type": "https://in-toto.io/Statement/v1", …
  static Result<Statement> parse(std::string_view text);
  std::string_view issuer() const { return predicate.text_or("issuer", ""); }
  Result<Instant> time() const { return parse_rfc3339(predicate.text_or("time", "")); }
};

// A statement together with the envelope that proves it.
struct Evidence {
  Digest id;  // SHA-256 of the envelope's bytes
  Statement statement;
  std::string envelope;  // DSSE JSON, as stored and exported
  std::string key_id;    // of the signer
};

// Signs with the key for `KeyPurpose::evidence`.
Result<Evidence> seal(const Statement& statement, crypto::KeyProvider& keys);
// Opens an envelope: exactly one payload, at least one signature by a key that `keys` knows for evidence. What is
// parsed is what was verified. Errc::corrupt if the signature is wrong, Errc::denied if the signer is not known.
Result<Evidence> open_evidence(std::string_view envelope, crypto::KeyProvider& keys);

}  // namespace hauberk
