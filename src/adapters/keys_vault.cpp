#include "adapters/keys_vault.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "net/service_secret.h"

namespace hauberk::adapters {
namespace {

using crypto::KeptKey;
using crypto::KeyUse;
using net::ServiceSecret;

struct TransitPlace {
  std::string mount;
  std::string name;
  std::string path(std::string_view what) const { return fmt::format("{}/{}/{}", mount, what, name); }
};

Result<TransitPlace> parse_transit_place(std::string_view place) {
  const auto slash = place.rfind('/');
  if (slash == std::string_view::npos || place.size() > 512 || !net::is_vault_path(place))
    return fail(Errc::invalid, "expected MOUNT/NAME of a transit key, such as vault:transit/hauberk-model");
  return TransitPlace{std::string(place.substr(0, slash)), std::string(place.substr(slash + 1))};
}

// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410) before its 32 bytes.
constexpr std::uint8_t ed25519_info[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

Result<crypto::VerifyingKey> public_key(std::string_view type, const json::Value& version) {
  const auto text = version.text_or("public_key", "");
  if (type == "ecdsa-p256") return crypto::VerifyingKey::from_pem(text);
  Bytes der(std::begin(ed25519_info), std::end(ed25519_info));
  const auto raw = from_base64(text);
  if (!raw || raw->size() != 32) return fail(Errc::corrupt, "Vault shows no public key of this key");
  der.insert(der.end(), raw->begin(), raw->end());
  return crypto::VerifyingKey::from_der(der);
}

// "vault:v3:TEXT": the TEXT, if it is of this very version.
Result<std::string_view> of_version(std::string_view text, const KeptKey& key) {
  const auto start = fmt::format("vault:v{}:", key.version);
  if (!text.starts_with(start) || text.size() == start.size() || text.size() > 8192)
    return fail(Errc::corrupt, fmt::format("it is not of version {} of the key", key.version));
  return text.substr(start.size());
}

class VaultKeys final : public crypto::KeyKeeper {
 public:
  explicit VaultKeys(std::shared_ptr<net::VaultClient> vault) : vault_(std::move(vault)) {}

  Result<KeptKey> find(std::string_view place, KeyUse use) override {
    const auto transit = TRY(parse_transit_place(place));
    const auto answer = TRY(vault_->get(transit.path("keys")));
    const auto* data = TRY(good(answer, "show the key"));
    const auto type = data->text_or("type", "");
    const bool signs = type == "ecdsa-p256" || type == "ed25519";
    const bool wraps = type == "aes256-gcm96" || type == "chacha20-poly1305";
    const auto* derived = data->find("derived");
    if (use == KeyUse::sign ? !signs : !wraps)
      return fail(Errc::unsupported,
                  fmt::format("it is a transit key of the type '{:.32}': one that {} is wanted", printable(type),
                              use == KeyUse::sign ? "signs, ecdsa-p256 or ed25519," : "wraps, aes256-gcm96,"));
    if (derived != nullptr && derived->as_bool() != nullptr && *derived->as_bool())
      return fail(Errc::unsupported, "it is a derived key; make one with derived=false");
    const auto version = std::to_string(data->int_or("latest_version", 0));
    KeptKey out{.reference = fmt::format("vault:{}", place), .version = version, .verifying = {}};
    const auto* versions = data->find("keys");
    const auto* newest = versions == nullptr ? nullptr : versions->find(version);
    if (newest == nullptr) return fail(Errc::unavailable, "Vault's answer names no version of the key", vault_->url());
    if (use == KeyUse::sign)
      out.verifying = std::make_shared<const crypto::VerifyingKey>(TRY(public_key(type, *newest)));
    return out;
  }

  Result<Bytes> sign(const KeptKey& key, ByteView message) override {
    const auto transit = TRY(parse_transit_place(key.place()));
    net::WipedJson body(json::Value().set("key_version", TRY(version_number(key))));
    auto path = transit.path("sign");
    if (key.verifying->algorithm() == crypto::SignatureAlgorithm::ed25519) {
      body.value.set("input", base64(message));
    } else {
      path += "/sha2-256";
      body.value.set("input", base64(crypto::sha256(message).bytes))
          .set("prehashed", true)
          .set("marshaling_algorithm", "asn1");
    }
    const auto answer = TRY(vault_->post(path, body));
    const auto* data = TRY(good(answer, "sign"));
    auto signature = from_base64(TRY(of_version(data->text_or("signature", ""), key)));
    if (!signature) return fail(Errc::corrupt, "Vault's signature is damaged");
    return std::move(*signature);
  }

  Result<Bytes> wrap(const KeptKey& key, const Secret& data_key, ByteView associated) override {
    const auto transit = TRY(parse_transit_place(key.place()));
    const net::WipedJson body(json::Value()
                                  .set("plaintext", base64(ServiceSecret::bytes(data_key)))
                                  .set("associated_data", base64(associated))
                                  .set("key_version", TRY(version_number(key))));
    const auto answer = TRY(vault_->post(transit.path("encrypt"), body));
    const auto text = TRY(good(answer, "wrap"))->text_or("ciphertext", "");
    (void)TRY(of_version(text, key));
    return to_bytes(text);
  }

  Result<Secret> unwrap(const KeptKey& key, ByteView wrapped, ByteView associated) override {
    const auto transit = TRY(parse_transit_place(key.place()));
    const auto text = as_text(wrapped);
    // It comes from the catalogue, which is not trusted: nothing but base64 goes on.
    if (!of_version(text, key) || !from_base64(*of_version(text, key)))
      return fail(Errc::corrupt, "a wrapped data key is not one of this key: the catalogue was changed");
    const net::WipedJson body(json::Value().set("ciphertext", text).set("associated_data", base64(associated)));
    const auto answer = TRY(vault_->post(transit.path("decrypt"), body));
    if (answer.status == 400)
      return fail(Errc::corrupt,
                  "Vault does not open a wrapped data key (400): the catalogue was changed or belongs to another "
                  "environment, or min_decryption_version of the key was raised above it");
    auto raw = from_base64(TRY(good(answer, "unwrap"))->text_or("plaintext", ""));
    if (!raw || raw->empty()) return fail(Errc::unavailable, "Vault's answer holds no key", vault_->url());
    return Secret(std::move(*raw));
  }

 private:
  static std::string printable(std::string_view text) {
    std::string out(text);
    std::ranges::replace_if(out, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    return out;
  }
  static Result<std::int64_t> version_number(const KeptKey& key) {
    std::int64_t out = 0;
    const auto* end = key.version.data() + key.version.size();
    if (const auto [at, error] = std::from_chars(key.version.data(), end, out);
        error != std::errc() || at != end || out < 1)
      return fail(Errc::corrupt, "the reference names no version of the key");
    return out;
  }
  // The answer's data.
  Result<const json::Value*> good(const net::VaultAnswer& answer, std::string_view what) const {
    if (answer.status == 404)
      return fail(Errc::not_found, "Vault has no such key, or does not show it to this token (404)", vault_->url());
    if (answer.status == 400)
      return fail(Errc::denied,
                  fmt::format("Vault refuses to {} (400): is there such a key, and may this version of it still be "
                              "used (min_encryption_version)?",
                              what),
                  vault_->url());
    const auto* data = answer.body.value.find("data");
    if (data == nullptr || !data->is_object())
      return fail(Errc::unavailable, "Vault's answer holds no data", vault_->url());
    return data;
  }

  const std::shared_ptr<net::VaultClient> vault_;
};

}  // namespace

std::shared_ptr<crypto::KeyKeeper> make_keys_vault(std::shared_ptr<net::VaultClient> vault) {
  return std::make_shared<VaultKeys>(std::move(vault));
}

}  // namespace hauberk::adapters
