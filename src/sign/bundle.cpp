#include "sign/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace hauberk::sign {
namespace {

constexpr std::string_view media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
constexpr std::size_t largest_bundle = 64u << 20;  // a million files fit
constexpr std::size_t most_entries = 16, most_certificates = 16, most_hashes = 64;

std::unexpected<Error> not_a_bundle(std::string_view why) {
  return fail(Errc::corrupt, fmt::format("not a Sigstore bundle: {}", why));
}

// Both alphabets, with padding, canonical.
std::optional<Bytes> decoded(std::string_view text) {
  if (auto bytes = from_base64(text)) return bytes;
  if (text.find_first_of("+/") != std::string_view::npos) return std::nullopt;
  std::string standard(text);
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  return from_base64(standard);
}

Result<Bytes> bytes_in(const json::Value& value, std::string_view key) {
  auto bytes = decoded(value.text_or(key, ""));
  if (!bytes || bytes->empty()) return not_a_bundle(fmt::format("\"{}\" is missing or not base64", key));
  return std::move(*bytes);
}

Result<Digest> digest_in(std::string_view text) {
  const auto bytes = decoded(text);
  Digest digest;
  if (!bytes || bytes->size() != digest.bytes.size())
    return not_a_bundle("a hash of the log is not 32 bytes of base64");
  std::ranges::copy(*bytes, digest.bytes.begin());
  return digest;
}

// The protocol's 64-bit integers are texts in JSON; some write them as numbers.
Result<std::uint64_t> number_in(const json::Value& value, std::string_view key) {
  const auto* member = value.find(key);
  if (member == nullptr) return 0;
  if (const auto* number = member->as_int(); number != nullptr && *number >= 0)
    return static_cast<std::uint64_t>(*number);
  if (const auto* text = member->as_string()) {
    std::uint64_t number = 0;
    const auto* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, number);
    if (error == std::errc{} && stop == end && number <= INT64_MAX) return number;
  }
  return not_a_bundle(fmt::format("\"{}\" is no number from 0", key));
}

Status only_members(const json::Value& value, std::initializer_list<std::string_view> known, std::string_view where) {
  const auto* object = value.as_object();
  if (object == nullptr) return not_a_bundle(fmt::format("{} is no object", where));
  for (const auto& [key, member] : *object)
    if (std::ranges::find(known, key) == known.end())
      return not_a_bundle(fmt::format("{} has the unknown member \"{:.40}\"", where, key));
  return {};
}

// The elements of a list that may be missing.
Result<const json::Array*> list_in(const json::Value& value, std::string_view key, std::size_t most) {
  static const json::Array none;
  const auto* member = value.find(key);
  if (member == nullptr || member->is_null()) return &none;
  const auto* list = member->as_array();
  if (list == nullptr || list->size() > most)
    return not_a_bundle(fmt::format("\"{}\" is no list of at most {}", key, most));
  return list;
}

Result<int> version_of(std::string_view type) {
  if (type == media_type || type == "application/vnd.dev.sigstore.bundle+json;version=0.3") return 3;
  if (type == "application/vnd.dev.sigstore.bundle+json;version=0.2") return 2;
  if (type == "application/vnd.dev.sigstore.bundle+json;version=0.1") return 1;
  return not_a_bundle(fmt::format("its media type is \"{:.80}\"; known are versions 0.1, 0.2 and 0.3", type));
}

Result<LogEntry> parse_entry(const json::Value& value) {
  LogEntry entry;
  entry.index = TRY(number_in(value, "logIndex"));
  entry.integrated_time = static_cast<std::int64_t>(TRY(number_in(value, "integratedTime")));
  const auto* log = value.find("logId");
  entry.log_id = TRY(bytes_in(log != nullptr ? *log : json::Value(), "keyId"));
  if (const auto* kind = value.find("kindVersion")) {
    entry.kind = kind->text_or("kind", "");
    entry.version = kind->text_or("version", "");
  }
  entry.body = std::string(as_text(TRY(bytes_in(value, "canonicalizedBody"))));
  if (const auto* promise = value.find("inclusionPromise"); promise != nullptr && !promise->is_null())
    entry.promise = TRY(bytes_in(*promise, "signedEntryTimestamp"));
  if (const auto* proof = value.find("inclusionProof"); proof != nullptr && !proof->is_null()) {
    auto& inclusion = entry.proof.emplace();
    inclusion.index = TRY(number_in(*proof, "logIndex"));
    inclusion.size = TRY(number_in(*proof, "treeSize"));
    inclusion.root = TRY(digest_in(proof->text_or("rootHash", "")));
    for (const auto& hash : *TRY(list_in(*proof, "hashes", most_hashes)))
      inclusion.hashes.push_back(TRY(digest_in(hash.as_string() != nullptr ? *hash.as_string() : "")));
    const auto* checkpoint = proof->find("checkpoint");
    inclusion.checkpoint = checkpoint != nullptr ? checkpoint->text_or("envelope", "") : "";
  }
  return entry;
}

Status parse_material(const json::Value& value, Bundle& bundle) {
  const auto* key = value.find("publicKey");
  const auto* chain = value.find("x509CertificateChain");
  const auto* certificate = value.find("certificate");
  if ((key != nullptr) + (chain != nullptr) + (certificate != nullptr) != 1)
    return not_a_bundle("expected one of publicKey, x509CertificateChain and certificate");
  if (key != nullptr) {
    bundle.material = Bundle::Material::key;
    bundle.key_hint = key->text_or("hint", "");
  } else if (chain != nullptr) {
    bundle.material = Bundle::Material::chain;
    for (const auto& one : *TRY(list_in(*chain, "certificates", most_certificates)))
      bundle.certificates.push_back(TRY(bytes_in(one, "rawBytes")));
    if (bundle.certificates.empty()) return not_a_bundle("the chain holds no certificates");
  } else {
    bundle.material = Bundle::Material::certificate;
    bundle.certificates.push_back(TRY(bytes_in(*certificate, "rawBytes")));
  }
  for (const auto& entry : *TRY(list_in(value, "tlogEntries", most_entries)))
    bundle.entries.push_back(TRY(parse_entry(entry)));
  if (const auto* times = value.find("timestampVerificationData"); times != nullptr && !times->is_null())
    for (const auto& one : *TRY(list_in(*times, "rfc3161Timestamps", most_entries)))
      bundle.timestamps.push_back(TRY(bytes_in(one, "signedTimestamp")));
  return {};
}

Status parse_envelope(const json::Value& value, Bundle& bundle) {
  CHECK(only_members(value, {"payload", "payloadType", "signatures"}, "the envelope"));
  const auto* signatures = TRY(list_in(value, "signatures", 64));
  if (signatures->size() != 1) return not_a_bundle("expected exactly one signature");
  CHECK(only_members(signatures->front(), {"sig", "keyid"}, "the signature"));
  const auto* key_id = signatures->front().find("keyid");
  if (key_id != nullptr && !key_id->is_null() && !key_id->is_string()) return not_a_bundle("keyid is no text");
  // The envelope's own parser knows one alphabet only.
  json::Value plain;
  plain.set("payloadType", std::string(value.text_or("payloadType", "")));
  plain.set("payload", base64(TRY(bytes_in(value, "payload"))));
  plain.set("signatures",
            json::Value().push(json::Value().set("sig", base64(TRY(bytes_in(signatures->front(), "sig"))))));
  bundle.envelope = TRY(crypto::envelope_of(plain));
  return {};
}

Status parse_file_signature(const json::Value& value, Bundle& bundle) {
  auto& file = bundle.file.emplace();
  file.signature = TRY(bytes_in(value, "signature"));
  const auto* digest = value.find("messageDigest");
  if (digest == nullptr) return {};
  if (digest->text_or("algorithm", "") != "SHA2_256") return not_a_bundle("the file's digest is not SHA-256");
  file.digest = TRY(digest_in(digest->text_or("digest", "")));
  return {};
}

}  // namespace

Result<Bundle> parse_bundle(std::string_view text) {
  const auto value = json::parse(text, {.bytes = largest_bundle, .depth = 16, .values = 1u << 20});
  if (!value) return not_a_bundle(value.error().message);
  CHECK(only_members(*value, {"mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"}, "it"));
  Bundle bundle{.version = TRY(version_of(value->text_or("mediaType", "")))};
  const auto* material = value->find("verificationMaterial");
  const auto* envelope = value->find("dsseEnvelope");
  const auto* file = value->find("messageSignature");
  if (material == nullptr) return not_a_bundle("there is no verificationMaterial");
  if ((envelope != nullptr) == (file != nullptr))
    return not_a_bundle("expected either dsseEnvelope or messageSignature");
  CHECK(parse_material(*material, bundle));
  if (envelope != nullptr)
    CHECK(parse_envelope(*envelope, bundle));
  else
    CHECK(parse_file_signature(*file, bundle));
  return bundle;
}

std::string write_bundle(const Bundle& bundle) {
  json::Value material = json::Value::object();
  if (bundle.material == Bundle::Material::key) {
    material.set("publicKey", json::Value().set("hint", bundle.key_hint));
  } else if (bundle.material == Bundle::Material::chain) {
    json::Value list = json::Value::array();
    for (const auto& der : bundle.certificates) list.push(json::Value().set("rawBytes", base64(der)));
    material.set("x509CertificateChain", json::Value().set("certificates", std::move(list)));
  } else {
    material.set("certificate", json::Value().set("rawBytes", base64(bundle.certificates.front())));
  }
  material.set("tlogEntries", json::Value::array());
  if (!bundle.timestamps.empty()) {
    json::Value list = json::Value::array();
    for (const auto& token : bundle.timestamps) list.push(json::Value().set("signedTimestamp", base64(token)));
    material.set("timestampVerificationData", json::Value().set("rfc3161Timestamps", std::move(list)));
  }
  json::Value value;
  value.set("mediaType", media_type).set("verificationMaterial", std::move(material));
  value.set("dsseEnvelope", crypto::to_json(*bundle.envelope));
  return json::write_pretty(value) + "\n";
}

}  // namespace hauberk::sign
