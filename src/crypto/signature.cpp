#include "crypto/signature.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdlib>

#include "crypto/digest.h"
#include "crypto/key_material.h"

namespace hauberk::crypto {
namespace {

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;
struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

Bytes taken(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(data);
  return {begin, begin + size};
}

// No key of ours is encrypted; without this callback the library would ask on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

struct VerifyingKey::Impl {
  Key key;
  std::string id;
  std::string pem;

  static std::unique_ptr<Impl> make(Key key) {
    auto impl = std::make_unique<Impl>();
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key.get(), &der);
    if (size <= 0) std::abort();
    impl->id = "ed25519:" + sha256({der, static_cast<std::size_t>(size)}).hex().substr(0, 16);
    OPENSSL_free(der);
    const Bio bio(BIO_new(BIO_s_mem()));
    if (PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1) std::abort();
    impl->pem = std::string(as_text(taken(bio)));
    impl->key = std::move(key);
    return impl;
  }
};

VerifyingKey::VerifyingKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VerifyingKey::VerifyingKey(VerifyingKey&&) noexcept = default;
VerifyingKey& VerifyingKey::operator=(VerifyingKey&&) noexcept = default;
VerifyingKey::~VerifyingKey() = default;

Result<VerifyingKey> VerifyingKey::from_pem(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519)
    return fail(Errc::invalid, "expected an Ed25519 public key in PEM");
  return VerifyingKey(Impl::make(std::move(key)));
}

const std::string& VerifyingKey::id() const { return impl_->id; }
const std::string& VerifyingKey::pem() const { return impl_->pem; }

bool VerifyingKey::verify(ByteView message, ByteView signature) const {
  const Context context(EVP_MD_CTX_new());
  return context &&
         EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, impl_->key.get(), nullptr) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

struct SigningKey::Impl {
  Key key;
  VerifyingKey verifying;
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

SigningKey SigningKey::generate() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!key) std::abort();
  EVP_PKEY_up_ref(key.get());
  VerifyingKey verifying(VerifyingKey::Impl::make(Key(key.get())));
  return SigningKey(std::unique_ptr<Impl>(new Impl{std::move(key), std::move(verifying)}));
}

Result<SigningKey> SigningKey::from_pem(const Secret& pem) {
  const auto text = KeyMaterial::of(pem);
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519)
    return fail(Errc::corrupt, "expected an Ed25519 private key in PEM (PKCS#8)");
  EVP_PKEY_up_ref(key.get());
  VerifyingKey verifying(VerifyingKey::Impl::make(Key(key.get())));
  return SigningKey(std::unique_ptr<Impl>(new Impl{std::move(key), std::move(verifying)}));
}

Bytes SigningKey::sign(ByteView message) const {
  const Context context(EVP_MD_CTX_new());
  Bytes signature(64);
  std::size_t size = signature.size();
  if (!context ||
      EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, impl_->key.get(), nullptr) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1 ||
      size != signature.size())
    std::abort();
  return signature;
}

Secret SigningKey::pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    std::abort();
  return Secret(taken(bio));
}

const VerifyingKey& SigningKey::verifying() const { return impl_->verifying; }

}  // namespace hauberk::crypto
