#include "crypto/digest.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace hauberk {

std::string Digest::text() const { return "sha256:" + hex(); }

Result<Digest> Digest::parse(std::string_view text) {
  if (text.starts_with("sha256:")) text.remove_prefix(7);
  const auto raw = from_hex(text);
  if (!raw || raw->size() != 32) return fail(Errc::invalid, "expected a digest: sha256: and 64 hex digits");
  Digest digest;
  std::copy(raw->begin(), raw->end(), digest.bytes.begin());
  return digest;
}

namespace crypto {
namespace {

// Fetched once: looking an algorithm up by name on each use is slow in OpenSSL 3.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (algorithm == nullptr) std::abort();  // a library without SHA-256 can do nothing for us
  return algorithm;
}

}  // namespace

Digest sha256(ByteView bytes) {
  Digest digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.bytes.data(), nullptr, sha256_algorithm(), nullptr) != 1)
    std::abort();
  return digest;
}

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Impl() { start(); }
  ~Impl() { EVP_MD_CTX_free(context); }
  void start() {
    if (context == nullptr || EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) != 1) std::abort();
  }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(ByteView bytes) {
  if (EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) != 1) std::abort();
}

Digest Sha256::finish() {
  Digest digest;
  if (EVP_DigestFinal_ex(impl_->context, digest.bytes.data(), nullptr) != 1) std::abort();
  impl_->start();
  return digest;
}

}  // namespace crypto
}  // namespace hauberk
