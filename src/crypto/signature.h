// Signatures: Ed25519 (RFC 8032) and ECDSA over P-256, P-384 and P-521 (FIPS 186-5) with SHA-256, SHA-384 and SHA-512
// in that order; ECDSA signatures are DER. Public keys travel as PEM or DER (SubjectPublicKeyInfo), private ones as PEM
// (PKCS#8 or SEC 1, with or without a passphrase) inside a Secret. The id of a key is the name of its algorithm, ":"
// and 16 hex digits of the SHA-256 of its DER. Ed25519 keys of small order, under which anybody can sign, are none; a
// signature (r, n - s) of ECDSA verifies as (r, s) does, so that no signature is the name of anything. Errors: invalid
// (no such key), unsupported (RSA and others), denied
// (wrong or missing passphrase). Thread safety: const methods, any.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/digest.h"

namespace hauberk::crypto {

enum class SignatureAlgorithm { ed25519, ecdsa_p256, ecdsa_p384, ecdsa_p521 };
std::string_view name(SignatureAlgorithm algorithm);  // "ed25519", "ecdsa-p256", …

// Which hash an ECDSA key signs: the one of its curve, or SHA-256 whatever the curve, as some old formats have it.
enum class SignatureHash { of_curve, sha256 };

class VerifyingKey {
 public:
  static Result<VerifyingKey> from_pem(std::string_view pem);
  static Result<VerifyingKey> from_der(ByteView subject_public_key_info);
  VerifyingKey(VerifyingKey&&) noexcept;
  VerifyingKey& operator=(VerifyingKey&&) noexcept;
  ~VerifyingKey();

  SignatureAlgorithm algorithm() const;
  const std::string& id() const;
  const std::string& pem() const;  // lines of 64 columns and a final newline, as everybody writes it
  const Bytes& der() const;
  [[nodiscard]] bool verify(ByteView message, ByteView signature, SignatureHash hash = SignatureHash::of_curve) const;
  // The same of a message that is at hand only as its SHA-256; by ECDSA keys alone.
  [[nodiscard]] bool verify_hashed(const Digest& message, ByteView signature) const;
  bool operator==(const VerifyingKey& other) const { return der() == other.der(); }

 private:
  friend class SigningKey;
  struct Impl;
  explicit VerifyingKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class SigningKey {
 public:
  // By the library's generator, seeded by the kernel.
  static SigningKey generate(SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519);
  static Result<SigningKey> from_pem(const Secret& pem, const Secret& passphrase = {});
  SigningKey(SigningKey&&) noexcept;
  ~SigningKey();

  Bytes sign(ByteView message) const;  // 64 bytes by Ed25519, DER by ECDSA
  Secret pem() const;                  // PKCS#8, not encrypted
  const VerifyingKey& verifying() const;

 private:
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What else verifies wherever this signature does and is not the same bytes: of ECDSA (r, n - s) beside (r, s), for
// each order n of P-256, P-384 and P-521 that it may be of; of other signatures nothing.
std::vector<Bytes> twins_of_signature(ByteView der);

}  // namespace hauberk::crypto
