#include "crypto/aead.h"

#include <openssl/evp.h>
#include <string.h>

#include <cstdlib>

#include "crypto/gcm_sha256_kernel.h"
#include "crypto/key_material.h"

namespace hauberk::crypto {
namespace {

const EVP_CIPHER* algorithm() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  if (cipher == nullptr) std::abort();
  return cipher;
}

}  // namespace

bool seals_and_hashes_in_one_pass() { return has_gcm_sha256(); }

struct Gcm::Impl {
  EVP_CIPHER_CTX* sealing = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* opening = EVP_CIPHER_CTX_new();
  GcmSha256Keys expanded;  // where the processor can use it
  ~Impl() {
    ::explicit_bzero(&expanded, sizeof expanded);
    EVP_CIPHER_CTX_free(sealing);
    EVP_CIPHER_CTX_free(opening);
  }
};

Gcm::Gcm(const Secret& key) : impl_(std::make_unique<Impl>()) {
  const auto raw = KeyMaterial::of(key);
  if (raw.size() != gcm_key_size || impl_->sealing == nullptr || impl_->opening == nullptr) std::abort();
  if (EVP_EncryptInit_ex2(impl_->sealing, algorithm(), raw.data(), nullptr, nullptr) != 1) std::abort();
  if (EVP_DecryptInit_ex2(impl_->opening, algorithm(), raw.data(), nullptr, nullptr) != 1) std::abort();
  if (has_gcm_sha256()) expand_gcm_sha256(raw.data(), impl_->expanded);
}
Gcm::~Gcm() = default;
Gcm::Gcm(Gcm&&) noexcept = default;
Gcm& Gcm::operator=(Gcm&&) noexcept = default;

void Gcm::seal(ByteView nonce, ByteView associated, ByteView plaintext, std::uint8_t* out) {
  auto* context = impl_->sealing;
  int n = 0;
  std::uint8_t nothing[16];
  const bool good =
      nonce.size() == gcm_nonce_size && EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
      EVP_EncryptUpdate(context, nullptr, &n, associated.data(), static_cast<int>(associated.size())) == 1 &&
      (plaintext.empty() ||
       EVP_EncryptUpdate(context, out, &n, plaintext.data(), static_cast<int>(plaintext.size())) == 1) &&
      EVP_EncryptFinal_ex(context, nothing, &n) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, gcm_tag_size, out + plaintext.size()) == 1;
  if (!good) std::abort();  // only a programming error gets here
}

void Gcm::seal_and_hash(ByteView nonce, ByteView associated, ByteView plaintext, std::uint8_t* out, Sha256Lane& hash) {
  constexpr std::size_t most_associated = 16, most_plaintext = std::size_t{64} << 20;  // what the kernel takes
  if (plaintext.size() % sha256_block != 0) std::abort();
  if (!has_gcm_sha256() || hash.kernel_ == Sha256Kernel::portable || associated.size() > most_associated ||
      plaintext.size() > most_plaintext) {
    auto* const lane = &hash;
    update_together({&lane, 1}, {&plaintext, 1});  // first: `out` may be the plaintext's place
    return seal(nonce, associated, plaintext, out);
  }
  if (nonce.size() != gcm_nonce_size) std::abort();
  const std::size_t blocks = plaintext.size() / sha256_block;
  seal_gcm_sha256(impl_->expanded, nonce.data(), associated.data(), associated.size(), plaintext.data(), blocks, out,
                  out + plaintext.size(), hash.state_.data());
  hash.blocks_ += blocks;
}

bool Gcm::open(ByteView nonce, ByteView associated, ByteView ciphertext, ByteView tag, std::uint8_t* out) {
  auto* context = impl_->opening;
  int n = 0;
  std::uint8_t nothing[16];
  return nonce.size() == gcm_nonce_size && tag.size() == gcm_tag_size &&
         EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1 &&
         EVP_DecryptUpdate(context, nullptr, &n, associated.data(), static_cast<int>(associated.size())) == 1 &&
         (ciphertext.empty() ||
          EVP_DecryptUpdate(context, out, &n, ciphertext.data(), static_cast<int>(ciphertext.size())) == 1) &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, gcm_tag_size, const_cast<std::uint8_t*>(tag.data())) ==
             1 &&
         EVP_DecryptFinal_ex(context, nothing, &n) == 1;
}

Bytes seal_small(const Secret& key, ByteView nonce, ByteView associated, ByteView plaintext) {
  Bytes out(nonce.begin(), nonce.end());
  out.resize(nonce.size() + plaintext.size() + gcm_tag_size);
  Gcm(key).seal(nonce, associated, plaintext, out.data() + nonce.size());
  return out;
}

Result<Secret> open_small(const Secret& key, ByteView associated, ByteView sealed) {
  if (sealed.size() < gcm_nonce_size + gcm_tag_size) return fail(Errc::corrupt, "a sealed value is too short");
  const auto body = sealed.subspan(gcm_nonce_size, sealed.size() - gcm_nonce_size - gcm_tag_size);
  Bytes out(body.size());
  const bool good =
      Gcm(key).open(sealed.first(gcm_nonce_size), associated, body, sealed.last(gcm_tag_size), out.data());
  Secret value(std::move(out));
  if (!good) return fail(Errc::corrupt, "a sealed value does not open: it was changed, or the key is another one");
  return value;
}

}  // namespace hauberk::crypto
