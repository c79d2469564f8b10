#include "crypto/key_set.h"

#include <fmt/format.h>

#include <mutex>

#include "crypto/aead.h"
#include "crypto/key_material.h"
#include "crypto/mac.h"

namespace hauberk::crypto {
namespace {

class KeySetProvider final : public KeyProvider {
 public:
  KeySetProvider(KeySet keys, Random& random)
      : keys_(std::move(keys)), random_(random), wrap_id_(key_fingerprint(keys_.wrap)) {}

  Result<std::string> key_id(KeyPurpose purpose) override {
    switch (purpose) {
      case KeyPurpose::evidence:
        return keys_.evidence.verifying().id();
      case KeyPurpose::ledger:
        return keys_.ledger.verifying().id();
      case KeyPurpose::model:
        return keys_.model.verifying().id();
      case KeyPurpose::wrap:
        return wrap_id_;
      case KeyPurpose::token:
        return key_fingerprint(keys_.token);
    }
    return fail(Errc::internal, "unknown purpose of a key");
  }

  Result<Bytes> sign(KeyPurpose purpose, ByteView message) override { return TRY(signing(purpose))->sign(message); }

  Status verify(KeyPurpose purpose, std::string_view key_id, ByteView message, ByteView signature) override {
    const VerifyingKey* key = nullptr;
    if (const auto& own = TRY(signing(purpose))->verifying(); own.id() == key_id) key = &own;
    for (const auto& one : keys_.trusted)
      if (key == nullptr && one.purpose == purpose && one.key.id() == key_id) key = &one.key;
    if (key == nullptr)
      return fail(Errc::denied, fmt::format("signed by the key {:.40}, which is not trusted here", key_id));
    if (!key->verify(message, signature))
      return fail(Errc::corrupt, fmt::format("the signature by {} does not fit: the content was changed", key_id));
    return {};
  }

  Result<Bytes> mac(KeyPurpose purpose, ByteView message) override {
    if (purpose != KeyPurpose::token)
      return fail(Errc::unsupported, fmt::format("the {} key makes no MACs", name(purpose)));
    return hmac_sha256(keys_.token, message);
  }

  Result<Bytes> wrap(const Secret& data_key, ByteView associated) override {
    Bytes nonce;
    {
      const std::lock_guard lock(mutex_);  // the source of randomness may be a test's
      nonce = random_.bytes(gcm_nonce_size);
    }
    return seal_small(keys_.wrap, nonce, associated, KeyMaterial::of(data_key));
  }

  Result<Secret> unwrap(std::string_view key_id, ByteView wrapped, ByteView associated) override {
    const Secret* wrap = key_id == wrap_id_ ? &keys_.wrap : nullptr;
    for (const auto& retired : keys_.retired_wraps)
      if (wrap == nullptr && key_fingerprint(retired) == key_id) wrap = &retired;
    if (wrap == nullptr)
      return fail(
          Errc::denied,
          fmt::format("the data key was wrapped with {:.40}, but the key at hand is {}: put the right wrap.key back",
                      key_id, wrap_id_));
    auto key = open_small(*wrap, associated, wrapped);
    if (!key)
      return fail(Errc::corrupt,
                  "a wrapped data key does not open: the catalogue was changed or belongs to another environment");
    return key;
  }

  Result<std::string> public_key_pem(KeyPurpose purpose) override { return TRY(signing(purpose))->verifying().pem(); }

 private:
  Result<const SigningKey*> signing(KeyPurpose purpose) const {
    switch (purpose) {
      case KeyPurpose::evidence:
        return &keys_.evidence;
      case KeyPurpose::ledger:
        return &keys_.ledger;
      case KeyPurpose::model:
        return &keys_.model;
      case KeyPurpose::wrap:
      case KeyPurpose::token:
        break;
    }
    return fail(Errc::unsupported, fmt::format("the {} key makes no signatures", name(purpose)));
  }

  const KeySet keys_;
  std::mutex mutex_;
  Random& random_;
  const std::string wrap_id_;
};

}  // namespace

std::string_view name(KeyPurpose purpose) {
  switch (purpose) {
    case KeyPurpose::evidence:
      return "evidence";
    case KeyPurpose::ledger:
      return "ledger";
    case KeyPurpose::wrap:
      return "wrap";
    case KeyPurpose::token:
      return "token";
    case KeyPurpose::model:
      return "model";
  }
  return "unknown";
}

KeySet KeySet::generate(Random& random) {
  return {SigningKey::generate(),
          SigningKey::generate(),
          Secret(random.bytes(32)),
          Secret(random.bytes(32)),
          SigningKey::generate(SignatureAlgorithm::ecdsa_p256),
          {}};
}

std::string key_fingerprint(const Secret& key) {
  return "aes256:" + hex(ByteView(hmac_sha256(key, as_bytes("hauberk key fingerprint"))).first(8));
}

std::unique_ptr<KeyProvider> make_key_provider(KeySet keys, Random& random) {
  return std::make_unique<KeySetProvider>(std::move(keys), random);
}

std::unique_ptr<KeyProvider> make_memory_keys(Random& random) {
  return make_key_provider(KeySet::generate(random), random);
}

}  // namespace hauberk::crypto
