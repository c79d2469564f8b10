// Ed25519 signatures (RFC 8032). Public keys travel as PEM (SubjectPublicKeyInfo), private ones as PEM (PKCS#8) inside
// a Secret. The id of a key is "ed25519:" and 16 hex digits of the SHA-256 of its DER. Thread safety: const methods,
// any.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace hauberk::crypto {

class VerifyingKey {
 public:
  static Result<VerifyingKey> from_pem(std::string_view pem);
  VerifyingKey(VerifyingKey&&) noexcept;
  VerifyingKey& operator=(VerifyingKey&&) noexcept;
  ~VerifyingKey();

  const std::string& id() const;
  const std::string& pem() const;
  [[nodiscard]] bool verify(ByteView message, ByteView signature) const;

 private:
  friend class SigningKey;
  struct Impl;
  explicit VerifyingKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class SigningKey {
 public:
  static SigningKey generate();  // by the library's generator, seeded by the kernel
  static Result<SigningKey> from_pem(const Secret& pem);
  SigningKey(SigningKey&&) noexcept;
  ~SigningKey();

  Bytes sign(ByteView message) const;  // 64 bytes
  Secret pem() const;
  const VerifyingKey& verifying() const;

 private:
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::crypto
