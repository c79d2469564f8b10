// X.509 certificates (RFC 5280) of signers: reading them, their chains to what the caller trusts, and what they may be
// used for. No revocation list is asked for here and no network. A Certificate is a shared immutable value. Thread
// safety: any thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/signature.h"

namespace hauberk::crypto {

class Certificate {
 public:
  static Result<Certificate> from_der(ByteView der);
  static Result<std::vector<Certificate>> from_pem(std::string_view pem);  // one or more, in their order

  const Bytes& der() const;
  std::string subject() const;  // RFC 2253; the first of identities() where it is empty
  Instant not_before() const;
  Instant not_after() const;
  bool self_signed() const;                     // by its own key, whatever its names say
  Bytes public_key_der() const;                 // SubjectPublicKeyInfo, of any algorithm
  Result<VerifyingKey> key() const;             // unsupported: another algorithm
  std::vector<std::string> identities() const;  // e-mail addresses, URIs and DNS names of subjectAltName
  // The content of an extension, by dotted object identifier: what its OCTET STRING holds.
  std::optional<Bytes> extension(std::string_view oid) const;
  // denied: its key usage is without digitalSignature, or its extended key usage without codeSigning, or it has
  // neither.
  Status may_sign_content() const;
  bool is_for_code() const;  // its extended key usage says so

  struct Impl;

 private:
  explicit Certificate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// The chain from the leaf to an anchor, both in it, every certificate valid at that time; `helpers` may be used on the
// way and are trusted for nothing. denied: there is none; the message has the library's reason.
Result<std::vector<Certificate>> verify_chain(const Certificate& leaf, std::span<const Certificate> helpers,
                                              std::span<const Certificate> anchors, Instant at);

// A certificate transparency log (RFC 6962) that a signer trusts.
struct CertificateLog {
  Bytes id;  // SHA-256 of its key
  VerifyingKey key;
  Instant from, to;  // both inclusive
};
// Does the leaf carry a signed certificate timestamp that one of the logs made of it? `issuer` signed the leaf.
Status verify_logged(const Certificate& leaf, const Certificate& issuer, std::span<const CertificateLog> logs);

}  // namespace hauberk::crypto
