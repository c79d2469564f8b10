#include "adapters/keys_aws.h"

#include <fmt/format.h>

#include <algorithm>

#include "net/service_secret.h"

namespace hauberk::adapters {
namespace {

using crypto::KeptKey;
using crypto::KeyUse;
using net::ServiceSecret;

constexpr std::size_t largest_wrapped = 6144;  // KMS's own limit of a CiphertextBlob

Status check_kms_place(std::string_view place) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_:/").contains(c);
  };
  if (!place.empty() && place.size() <= 2048 && std::ranges::all_of(place, plain)) return {};
  return fail(Errc::invalid,
              "expected alias/NAME, the id or the ARN of a key of KMS, such as aws-kms:alias/hauberk-wrap");
}

json::Value context_of(ByteView associated) { return json::Value().set("hauberk", crypto::sha256(associated).hex()); }

class KmsKeys final : public crypto::KeyKeeper {
 public:
  explicit KmsKeys(std::shared_ptr<net::AwsClient> kms) : kms_(std::move(kms)) {}

  Result<KeptKey> find(std::string_view place, KeyUse use) override {
    CHECK(check_kms_place(place));
    KeptKey out{.reference = fmt::format("aws-kms:{}", place), .version = {}, .verifying = {}};
    const auto described = TRY(ask(place, "DescribeKey", json::Value().set("KeyId", place)));
    const auto* metadata = described.value.find("KeyMetadata");
    const auto told = [&](std::string_view what) {
      return metadata == nullptr ? std::string_view() : metadata->text_or(what, "");
    };
    out.version = told("Arn");
    if (out.version.empty() || !check_kms_place(out.version))
      return fail(Errc::unavailable, "the answer of KMS names no key");
    const auto spec = told("KeySpec").empty() ? told("CustomerMasterKeySpec") : told("KeySpec");
    // A symmetric key of this spec has one use, which KMS need not name.
    if (use == KeyUse::sign ? spec != "ECC_NIST_P256" || told("KeyUsage") != "SIGN_VERIFY"
                            : spec != "SYMMETRIC_DEFAULT")
      return fail(Errc::unsupported, use == KeyUse::sign
                                         ? "it is no key to sign with: make one with the spec ECC_NIST_P256 and the "
                                           "usage SIGN_VERIFY"
                                         : "it is no key to wrap with: make one with the spec SYMMETRIC_DEFAULT");
    if (use == KeyUse::wrap) return out;
    const auto shown = TRY(ask(out.version, "GetPublicKey", json::Value().set("KeyId", out.version)));
    const auto der = from_base64(shown.value.text_or("PublicKey", ""));
    if (!der) return fail(Errc::unavailable, "the answer of KMS holds no public key");
    out.verifying = std::make_shared<const crypto::VerifyingKey>(TRY(crypto::VerifyingKey::from_der(*der)));
    return out;
  }

  Result<Bytes> sign(const KeptKey& key, ByteView message) override {
    const auto answer = TRY(ask(key.version, "Sign",
                                json::Value()
                                    .set("KeyId", key.version)
                                    .set("Message", base64(crypto::sha256(message).bytes))
                                    .set("MessageType", "DIGEST")
                                    .set("SigningAlgorithm", "ECDSA_SHA_256")));
    auto signature = from_base64(answer.value.text_or("Signature", ""));
    if (!signature) return fail(Errc::corrupt, "the answer of KMS holds no signature");
    return std::move(*signature);
  }

  Result<Bytes> wrap(const KeptKey& key, const Secret& data_key, ByteView associated) override {
    const auto answer = TRY(ask(key.version, "Encrypt",
                                json::Value()
                                    .set("KeyId", key.version)
                                    .set("Plaintext", base64(ServiceSecret::bytes(data_key)))
                                    .set("EncryptionContext", context_of(associated))));
    auto wrapped = from_base64(answer.value.text_or("CiphertextBlob", ""));
    if (!wrapped || wrapped->empty() || wrapped->size() > largest_wrapped)
      return fail(Errc::unavailable, "the answer of KMS holds no wrapped key");
    return std::move(*wrapped);
  }

  Result<Secret> unwrap(const KeptKey& key, ByteView wrapped, ByteView associated) override {
    if (wrapped.empty() || wrapped.size() > largest_wrapped)
      return fail(Errc::corrupt, "a wrapped data key is not one of this key: the catalogue was changed");
    const auto answer = TRY(ask(key.version, "Decrypt",
                                json::Value()
                                    .set("KeyId", key.version)
                                    .set("CiphertextBlob", base64(wrapped))
                                    .set("EncryptionContext", context_of(associated))));
    auto raw = from_base64(answer.value.text_or("Plaintext", ""));
    if (!raw || raw->empty()) return fail(Errc::unavailable, "the answer of KMS holds no key");
    return Secret(std::move(*raw));
  }

 private:
  Result<net::WipedJson> ask(std::string_view name, std::string_view action, json::Value body) {
    auto answer = TRY(kms_->call(name, action, net::WipedJson(std::move(body))));
    if (answer.status == 200) return std::move(answer.body);
    const auto& type = answer.error;
    if (type == "NotFoundException") return fail(Errc::not_found, "KMS has no such key in this region");
    if (type == "InvalidCiphertextException" || type == "IncorrectKeyException")
      return fail(Errc::corrupt,
                  "KMS does not open a wrapped data key: the catalogue was changed or belongs to another environment");
    if (type == "DisabledException" || type == "KMSInvalidStateException")
      return fail(Errc::unavailable, "the key is disabled, or waits to be deleted: enable it in KMS");
    if (type == "KeyUnavailableException" || type == "LimitExceededException")
      return fail(Errc::unavailable, fmt::format("KMS cannot do it now ({})", type));
    return fail(Errc::denied, fmt::format("KMS denies {} ({}): the credentials are not good, or no policy allows it",
                                          action, type.empty() ? fmt::format("status {}", answer.status) : type));
  }

  const std::shared_ptr<net::AwsClient> kms_;
};

}  // namespace

std::shared_ptr<crypto::KeyKeeper> make_keys_aws(std::shared_ptr<net::AwsClient> kms) {
  return std::make_shared<KmsKeys>(std::move(kms));
}

}  // namespace hauberk::adapters
