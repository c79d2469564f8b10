#include "crypto/signature.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "crypto/key_material.h"
#include "crypto/owned.h"

namespace hauberk::crypto {
namespace {

using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Bio = Owned<BIO, BIO_free_all>;
using Context = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;

struct Algorithm {
  SignatureAlgorithm id;
  std::string_view name;
  const char* group;  // of the library; null for Ed25519
  const char* hash;
};
constexpr Algorithm algorithms[] = {
    {SignatureAlgorithm::ed25519, "ed25519", nullptr, nullptr},
    {SignatureAlgorithm::ecdsa_p256, "ecdsa-p256", "prime256v1", "SHA256"},
    {SignatureAlgorithm::ecdsa_p384, "ecdsa-p384", "secp384r1", "SHA384"},
    {SignatureAlgorithm::ecdsa_p521, "ecdsa-p521", "secp521r1", "SHA512"},
};

const Algorithm& of(SignatureAlgorithm id) { return algorithms[static_cast<std::size_t>(id)]; }

Result<SignatureAlgorithm> algorithm_of(EVP_PKEY* key) {
  if (EVP_PKEY_get_id(key) == EVP_PKEY_ED25519) return SignatureAlgorithm::ed25519;
  if (EVP_PKEY_get_id(key) == EVP_PKEY_EC) {
    char group[64] = {};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1)
      for (const auto& one : algorithms)
        if (one.group != nullptr && std::string_view(group, size) == one.group) return one.id;
  }
  return fail(Errc::unsupported, "this kind of key is not supported: use Ed25519 or ECDSA over P-256, P-384 or P-521");
}

// Under an Ed25519 key of small order anybody can make signatures, which fit any message, and the library takes such
// keys. RFC 8032 (5.1.3) has no y of p and more either, of which two spell points of small order once more.
bool honest_ed25519(EVP_PKEY* key) {
  // y of the points of order 1, 2, 4 and 8, big-endian; the sign of x is not in it.
  static constexpr std::string_view small_orders[] = {
      "0000000000000000000000000000000000000000000000000000000000000001",
      "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
      "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7"};
  constexpr std::string_view p = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
  Bytes y(32);
  std::size_t size = y.size();
  if (EVP_PKEY_get_raw_public_key(key, y.data(), &size) != 1 || size != y.size()) return false;
  std::ranges::reverse(y);
  y[0] &= 0x7f;
  const auto text = hex(y);
  return text < p && std::ranges::find(small_orders, text) == std::end(small_orders);
}

Bytes taken(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(data);
  return {begin, begin + size};
}

Bio reading(ByteView text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Without a callback the library would ask on the terminal.
int give_passphrase(char* out, int capacity, int, void* given) {
  const auto passphrase = KeyMaterial::of(*static_cast<const Secret*>(given));
  if (passphrase.empty() || passphrase.size() > static_cast<std::size_t>(capacity)) return -1;
  std::memcpy(out, passphrase.data(), passphrase.size());
  return static_cast<int>(passphrase.size());
}
int no_passphrase(char*, int, int, void*) { return -1; }

constexpr std::size_t largest_pem = 64 << 10;

Bytes public_der(const EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

// One key has several spellings: its point compressed or not, its curve by name or by all its numbers. Revocations and
// the counting of signers go by the id, and so by this one. Null: it cannot be read.
Key in_one_spelling(const EVP_PKEY* key, const char* group) {
  std::string curve = group;
  Bytes x(72), y(72);
  BIGNUM *raw_x = nullptr, *raw_y = nullptr;
  const bool read = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &raw_x) == 1;
  const bool whole = read && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &raw_y) == 1;
  const Owned<BIGNUM, BN_free> px(raw_x), py(raw_y);
  const int width = (EVP_PKEY_get_bits(key) + 7) / 8;
  if (!whole || width <= 0 || width > 72 || BN_bn2binpad(px.get(), x.data(), width) != width ||
      BN_bn2binpad(py.get(), y.data(), width) != width)
    return nullptr;
  Bytes point{0x04};
  point.insert(point.end(), x.begin(), x.begin() + width);
  point.insert(point.end(), y.begin(), y.begin() + width);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters)) != 1)
    return nullptr;
  return Key(made);
}

}  // namespace

std::string_view name(SignatureAlgorithm algorithm) { return of(algorithm).name; }

struct VerifyingKey::Impl {
  Key key;
  SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519;
  std::string id;
  std::string pem;
  Bytes der;

  static Result<std::unique_ptr<Impl>> make(Key key) {
    auto impl = std::make_unique<Impl>();
    impl->algorithm = TRY(algorithm_of(key.get()));
    if (impl->algorithm == SignatureAlgorithm::ed25519 && !honest_ed25519(key.get()))
      return fail(Errc::invalid, "this Ed25519 key is no proper public key: anybody could sign with it");
    if (impl->algorithm != SignatureAlgorithm::ed25519) key = in_one_spelling(key.get(), of(impl->algorithm).group);
    if (key) impl->der = public_der(key.get());
    if (impl->der.empty())
      return fail(Errc::invalid, "the public key is no point that could be written: it is refused");
    impl->id = fmt::format("{}:{:.16}", name(impl->algorithm), sha256(impl->der).hex());
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
  Key key(pem.size() > largest_pem
              ? nullptr
              : PEM_read_bio_PUBKEY(reading(as_bytes(pem)).get(), nullptr, no_passphrase, nullptr));
  if (!key) return fail(Errc::invalid, "expected a public key in PEM (-----BEGIN PUBLIC KEY-----)");
  return VerifyingKey(TRY(Impl::make(std::move(key))));
}

Result<VerifyingKey> VerifyingKey::from_der(ByteView info) {
  const auto* begin = info.data();
  Key key(info.size() > largest_pem ? nullptr : d2i_PUBKEY(nullptr, &begin, static_cast<long>(info.size())));
  if (!key || begin != info.data() + info.size())
    return fail(Errc::invalid, "expected a public key in DER (SubjectPublicKeyInfo)");
  if (!std::ranges::equal(public_der(key.get()), info))
    return fail(Errc::invalid, "the public key is spelled in another way than DER has it");
  return VerifyingKey(TRY(Impl::make(std::move(key))));
}

SignatureAlgorithm VerifyingKey::algorithm() const { return impl_->algorithm; }
const std::string& VerifyingKey::id() const { return impl_->id; }
const std::string& VerifyingKey::pem() const { return impl_->pem; }
const Bytes& VerifyingKey::der() const { return impl_->der; }

bool VerifyingKey::verify(ByteView message, ByteView signature, SignatureHash hash) const {
  const Context context(EVP_MD_CTX_new());
  const auto& algorithm = of(impl_->algorithm);
  const char* digest = hash == SignatureHash::sha256 && algorithm.hash != nullptr ? "SHA256" : algorithm.hash;
  return context &&
         EVP_DigestVerifyInit_ex(context.get(), nullptr, digest, nullptr, nullptr, impl_->key.get(), nullptr) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

bool VerifyingKey::verify_hashed(const Digest& message, ByteView signature) const {
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_pkey(nullptr, impl_->key.get(), nullptr));
  return impl_->algorithm != SignatureAlgorithm::ed25519 && context && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), message.bytes.data(),
                         message.bytes.size()) == 1;
}

struct SigningKey::Impl {
  Key key;
  VerifyingKey verifying;

  static Result<std::unique_ptr<Impl>> make(Key key) {
    EVP_PKEY_up_ref(key.get());
    VerifyingKey verifying(TRY(VerifyingKey::Impl::make(Key(key.get()))));
    return std::unique_ptr<Impl>(new Impl{std::move(key), std::move(verifying)});
  }
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

SigningKey SigningKey::generate(SignatureAlgorithm algorithm) {
  const auto* group = of(algorithm).group;
  Key key(group == nullptr ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                           : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", group));
  if (!key) std::abort();
  auto impl = Impl::make(std::move(key));
  if (!impl) std::abort();
  return SigningKey(std::move(*impl));
}

Result<SigningKey> SigningKey::from_pem(const Secret& pem, const Secret& passphrase) {
  const auto text = KeyMaterial::of(pem);
  if (text.size() > largest_pem) return fail(Errc::invalid, "the file is too long for a private key in PEM");
  Key key(PEM_read_bio_PrivateKey(reading(text).get(), nullptr, give_passphrase, const_cast<Secret*>(&passphrase)));
  if (!key) {
    if (as_text(text).find("ENCRYPTED") == std::string_view::npos)
      return fail(Errc::invalid, "expected a private key in PEM (PKCS#8 or SEC 1)");
    return fail(Errc::denied, passphrase.empty() ? "the private key is encrypted: give its passphrase"
                                                 : "the private key does not open: the passphrase is wrong");
  }
  return SigningKey(TRY(Impl::make(std::move(key))));
}

Bytes SigningKey::sign(ByteView message) const {
  const Context context(EVP_MD_CTX_new());
  const auto* hash = of(impl_->verifying.algorithm()).hash;
  Bytes signature(256);  // DER of P-521 takes up to 139 bytes
  std::size_t size = signature.size();
  if (!context ||
      EVP_DigestSignInit_ex(context.get(), nullptr, hash, nullptr, nullptr, impl_->key.get(), nullptr) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
    std::abort();
  signature.resize(size);
  return signature;
}

Secret SigningKey::pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    std::abort();
  return Secret(taken(bio));
}

const VerifyingKey& SigningKey::verifying() const { return impl_->verifying; }

std::vector<Bytes> twins_of_signature(ByteView der) {
  using Pair = Owned<ECDSA_SIG, ECDSA_SIG_free>;
  using Group = Owned<EC_GROUP, EC_GROUP_free>;
  using Number = Owned<BIGNUM, BN_free>;
  std::vector<Bytes> twins;
  const unsigned char* at = der.data();
  const Pair pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!pair || at != der.data() + der.size()) {
    ERR_clear_error();
    return twins;
  }
  for (const int curve : {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1}) {
    const Group group(EC_GROUP_new_by_curve_name(curve));
    Number r(BN_dup(ECDSA_SIG_get0_r(pair.get()))), s(BN_new());
    const Pair twin(ECDSA_SIG_new());
    if (!group || !r || !s || !twin ||
        BN_sub(s.get(), EC_GROUP_get0_order(group.get()), ECDSA_SIG_get0_s(pair.get())) != 1)
      continue;
    if (BN_is_negative(s.get()) || BN_is_zero(s.get())) continue;
    if (ECDSA_SIG_set0(twin.get(), r.get(), s.get()) != 1) continue;
    (void)r.release(), (void)s.release();  // the twin's now
    unsigned char* made = nullptr;
    const int size = i2d_ECDSA_SIG(twin.get(), &made);
    if (size > 0) twins.emplace_back(made, made + size);
    OPENSSL_free(made);
  }
  return twins;
}

}  // namespace hauberk::crypto
