#include "crypto/key_set.h"

#include <fmt/format.h>

#include <mutex>

#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/key_material.h"
#include "crypto/mac.h"

namespace hauberk::crypto {
namespace {

const VerifyingKey& verifying(const SigningPlace& place) {
  if (const auto* here = std::get_if<SigningKey>(&place)) return here->verifying();
  return *std::get<KeyElsewhere>(place).key.verifying;
}

// The keeper's error, with the key that was wanted and what to do.
std::unexpected<Error> not_asked(const KeyElsewhere& place, Error error) {
  if (error.code == Errc::unavailable || error.code == Errc::deadline || error.code == Errc::exhausted)
    error.message += "; no other key takes its place: try again when its keeper answers";
  return std::unexpected(std::move(error).in(place.key.reference));
}

Result<KeyKeeper*> keeper_of(const KeyElsewhere& place) {
  if (place.keeper == nullptr)
    return fail(Errc::unsupported,
                fmt::format("the key is kept at {:.200}, whose kind of keeper is not known here", place.key.reference));
  return place.keeper.get();
}

class KeySetProvider final : public KeyProvider {
 public:
  KeySetProvider(KeySet keys, Random& random)
      : keys_(std::move(keys)), random_(random), wrap_id_(crypto::key_id(keys_.wrap)) {}

  Result<std::string> key_id(KeyPurpose purpose) override {
    switch (purpose) {
      case KeyPurpose::evidence:
      case KeyPurpose::ledger:
      case KeyPurpose::model:
        return verifying(*TRY(signing(purpose))).id();
      case KeyPurpose::wrap:
        return wrap_id_;
      case KeyPurpose::token:
        return key_fingerprint(keys_.token);
    }
    return fail(Errc::internal, "unknown purpose of a key");
  }

  Result<Bytes> sign(KeyPurpose purpose, ByteView message) override {
    const auto* place = TRY(signing(purpose));
    CHECK(usable(purpose));
    if (const auto* here = std::get_if<SigningKey>(place)) return here->sign(message);
    return sign_elsewhere(std::get<KeyElsewhere>(*place), message);
  }

  Status verify(KeyPurpose purpose, std::string_view key_id, ByteView message, ByteView signature) override {
    const VerifyingKey* key = nullptr;
    if (const auto& own = verifying(*TRY(signing(purpose))); own.id() == key_id) key = &own;
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

  Result<bool> verify_mac(KeyPurpose purpose, ByteView message, ByteView mac) override {
    if (equal_constant_time(TRY(this->mac(purpose, message)), mac)) return true;
    for (const auto& retired : keys_.retired_tokens)
      if (verify_hmac_sha256(retired, message, mac)) return true;
    return false;
  }

  Result<Bytes> wrap(const Secret& data_key, ByteView associated) override {
    CHECK(usable(KeyPurpose::wrap));
    if (const auto* place = std::get_if<KeyElsewhere>(&keys_.wrap)) {
      auto wrapped = TRY(keeper_of(*place))->wrap(place->key, data_key, associated);
      if (!wrapped) return not_asked(*place, std::move(wrapped).error());
      return wrapped;
    }
    Bytes nonce;
    {
      const std::lock_guard lock(mutex_);  // the source of randomness may be a test's
      nonce = random_.bytes(gcm_nonce_size);
    }
    return seal_small(std::get<Secret>(keys_.wrap), nonce, associated, KeyMaterial::of(data_key));
  }

  Result<Secret> unwrap(std::string_view key_id, ByteView wrapped, ByteView associated) override {
    const WrappingPlace* wrap = key_id == wrap_id_ ? &keys_.wrap : nullptr;
    for (const auto& retired : keys_.retired_wraps)
      if (wrap == nullptr && crypto::key_id(retired) == key_id) wrap = &retired;
    if (wrap == nullptr)
      return fail(Errc::denied,
                  fmt::format("the data key was wrapped with {:.40}, but the key at hand is {}: put the right wrap.key "
                              "or wrap.ref back",
                              key_id, wrap_id_));
    if (const auto* place = std::get_if<KeyElsewhere>(wrap)) {
      auto key = TRY(keeper_of(*place))->unwrap(place->key, wrapped, associated);
      if (!key) return not_asked(*place, std::move(key).error());
      return key;
    }
    auto key = open_small(std::get<Secret>(*wrap), associated, wrapped);
    if (!key)
      return fail(Errc::corrupt,
                  "a wrapped data key does not open: the catalogue was changed or belongs to another environment");
    return key;
  }

  Result<std::string> public_key_pem(KeyPurpose purpose) override { return verifying(*TRY(signing(purpose))).pem(); }

  std::vector<std::string> earlier_keys_pem(KeyPurpose purpose) override {
    std::vector<std::string> out;
    for (const auto& one : keys_.trusted)
      if (one.purpose == purpose) out.push_back(one.key.pem());
    return out;
  }

 private:
  Result<const SigningPlace*> signing(KeyPurpose purpose) const {
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
  Status usable(KeyPurpose purpose) const {
    if (const auto why = keys_.withheld.find(purpose); why != keys_.withheld.end()) return std::unexpected(why->second);
    return {};
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
          {},
          {},
          {},
          {}};
}

std::string key_fingerprint(const Secret& key) {
  return "aes256:" + hex(ByteView(hmac_sha256(key, as_bytes("hauberk key fingerprint"))).first(8));
}

std::string KeptKey::id() const {
  if (verifying != nullptr) return verifying->id();
  return fmt::format("{}:{:.16}", scheme(), sha256(as_bytes(reference + "\n" + version)).hex());
}

std::string key_id(const SigningPlace& key) { return verifying(key).id(); }

std::string key_id(const WrappingPlace& key) {
  if (const auto* here = std::get_if<Secret>(&key)) return key_fingerprint(*here);
  return std::get<KeyElsewhere>(key).key.id();
}

Result<Bytes> sign_elsewhere(const KeyElsewhere& place, ByteView message) {
  auto signature = TRY(keeper_of(place))->sign(place.key, message);
  if (!signature) return not_asked(place, std::move(signature).error());
  if (!place.key.verifying->verify(message, *signature))
    return fail(Errc::corrupt,
                fmt::format("the keeper's signature is not one of {}: it holds another key there now, or answers "
                            "wrongly; nothing was signed",
                            place.key.verifying->id()),
                place.key.reference);
  return signature;
}

std::unique_ptr<KeyProvider> make_key_provider(KeySet keys, Random& random) {
  return std::make_unique<KeySetProvider>(std::move(keys), random);
}

std::unique_ptr<KeyProvider> make_memory_keys(Random& random) {
  return make_key_provider(KeySet::generate(random), random);
}

}  // namespace hauberk::crypto
