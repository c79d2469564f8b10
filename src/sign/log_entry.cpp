#include "sign/log_entry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "crypto/merkle.h"
#include "crypto/note.h"

namespace hauberk::sign {
namespace {

const json::Value& member_of(const json::Value& value, std::initializer_list<std::string_view> path) {
  static const json::Value nothing;
  const auto* found = &value;
  for (const auto key : path) {
    found = found->find(key);
    if (found == nullptr) return nothing;
  }
  return *found;
}

std::string_view text_of(const json::Value& value, std::initializer_list<std::string_view> path) {
  const auto* text = member_of(value, path).as_string();
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

const TransparencyLog* log_of(const LogEntry& entry, const TrustedRoot& root) {
  const auto found = std::ranges::find(root.logs, entry.log_id, &TransparencyLog::id);
  return found != root.logs.end() ? &*found : nullptr;
}

// What the log signed as its promise: this JSON, its members in this order.
Status check_promise(const LogEntry& entry, const TransparencyLog& log) {
  const auto text = fmt::format(R"({{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}})",
                                base64(as_bytes(entry.body)), entry.integrated_time, hex(entry.log_id), entry.index);
  if (!log.key.verify(as_bytes(text), entry.promise))
    return fail(Errc::denied, "the log's promise to take the entry in (signed entry timestamp) does not verify");
  return {};
}

Status check_proof(const LogEntry& entry, const TransparencyLog& log) {
  const auto& proof = *entry.proof;
  const auto note = TRY(crypto::parse_note(proof.checkpoint));
  const auto checkpoint = TRY(crypto::parse_checkpoint(note.text));
  const bool by_log = std::ranges::any_of(note.signatures, [&](const crypto::NoteSignature& one) {
    return std::ranges::equal(one.hint, std::span(log.id).first(4)) &&
           log.key.verify(as_bytes(note.text), one.signature);
  });
  if (!by_log) return fail(Errc::denied, "the log's checkpoint is not signed by the log");
  if (checkpoint.size != proof.size || checkpoint.root != proof.root)
    return fail(Errc::corrupt, "the log's checkpoint is of another tree than the proof of inclusion");
  if (!crypto::verify_inclusion(crypto::merkle_leaf(as_bytes(entry.body)), proof.index, proof.size, proof.hashes,
                                proof.root))
    return fail(Errc::denied, "the entry is not in the log: the proof of inclusion does not verify");
  return {};
}

bool same_bytes(std::string_view encoded, ByteView bytes) {
  const auto decoded = from_base64(encoded);
  return decoded && std::ranges::equal(*decoded, bytes);
}

// The signer as the entry has it: a certificate or a key, as PEM in base64.
bool same_signer(std::string_view encoded_pem, const Signed& what) {
  const auto pem = from_base64(encoded_pem);
  if (!pem) return false;
  if (what.certificate.empty()) {
    const auto key = crypto::VerifyingKey::from_pem(as_text(*pem));
    return key && key->pem() == what.key_pem;
  }
  const auto certificates = crypto::Certificate::from_pem(as_text(*pem));
  return certificates && certificates->size() == 1 && certificates->front().der() == what.certificate;
}

bool payload_is(const json::Value& hash, const Signed& what) {
  return what.bundle.envelope && text_of(hash, {"algorithm"}) == "sha256" &&
         text_of(hash, {"value"}) == crypto::sha256(as_bytes(what.bundle.envelope->payload)).hex();
}

bool is_hashedrekord(const json::Value& body, const Signed& what) {
  return text_of(body, {"spec", "data", "hash", "algorithm"}) == "sha256" &&
         text_of(body, {"spec", "data", "hash", "value"}) == what.digest.hex() &&
         same_bytes(text_of(body, {"spec", "signature", "content"}), what.bundle.signature()) &&
         same_signer(text_of(body, {"spec", "signature", "publicKey", "content"}), what);
}

bool is_hashedrekord_2(const json::Value& body, const Signed& what) {
  const auto& record = member_of(body, {"spec", "hashedRekordV002"});
  const auto& verifier = member_of(record, {"signature", "verifier"});
  const auto key = crypto::VerifyingKey::from_pem(what.key_pem);
  const bool signer = what.certificate.empty()
                          ? key && same_bytes(text_of(verifier, {"publicKey", "rawBytes"}), key->der())
                          : same_bytes(text_of(verifier, {"x509Certificate", "rawBytes"}), what.certificate);
  return text_of(record, {"data", "algorithm"}) == "SHA2_256" &&
         same_bytes(text_of(record, {"data", "digest"}), what.digest.bytes) &&
         same_bytes(text_of(record, {"signature", "content"}), what.bundle.signature()) && signer;
}

bool is_dsse(const json::Value& body, const Signed& what) {
  const auto* signatures = member_of(body, {"spec", "signatures"}).as_array();
  return payload_is(member_of(body, {"spec", "payloadHash"}), what) && signatures != nullptr &&
         signatures->size() == 1 && same_bytes(text_of(signatures->front(), {"signature"}), what.bundle.signature()) &&
         same_signer(text_of(signatures->front(), {"verifier"}), what);
}

bool is_intoto(const json::Value& body, const Signed& what) {
  const auto* signatures = member_of(body, {"spec", "content", "envelope", "signatures"}).as_array();
  if (!payload_is(member_of(body, {"spec", "content", "payloadHash"}), what) || signatures == nullptr ||
      signatures->size() != 1)
    return false;
  const auto signature = from_base64(text_of(signatures->front(), {"sig"}));  // base64 of base64
  return signature && same_bytes(as_text(*signature), what.bundle.signature()) &&
         same_signer(text_of(signatures->front(), {"publicKey"}), what);
}

}  // namespace

Result<std::optional<Instant>> check_inclusion(const LogEntry& entry, int bundle_version, const TrustedRoot& root) {
  const auto* log = log_of(entry, root);
  if (log == nullptr) return fail(Errc::denied, "the signature is in a transparency log that is not trusted here");
  const bool promise_suffices = bundle_version == 1 && !entry.promise.empty();
  if (!entry.proof && !promise_suffices)
    return fail(Errc::denied, "the bundle does not prove that the log took the entry in");
  if (!entry.promise.empty()) CHECK(check_promise(entry, *log));
  if (entry.proof) CHECK(check_proof(entry, *log));
  if (entry.promise.empty() || entry.integrated_time == 0) return std::nullopt;  // nobody vouches for a time
  const Instant time(std::chrono::seconds(entry.integrated_time));
  if (time < log->from || time > log->to)
    return fail(Errc::denied, "the log took the entry in when it was not trusted (validFor)");
  return time;
}

Status check_entry_tells_of(const LogEntry& entry, const Signed& what) {
  const auto body = json::parse(entry.body, {.bytes = 16u << 20, .depth = 16});
  if (!body) return fail(Errc::corrupt, fmt::format("the log's entry cannot be read: {}", body.error().message));
  const auto kind = text_of(*body, {"kind"}), version = text_of(*body, {"apiVersion"});
  if (kind != entry.kind || version != entry.version)
    return fail(Errc::corrupt, "the log's entry is of another kind than the bundle says");
  bool fits = false;
  if (kind == "hashedrekord" && version == "0.0.1")
    fits = is_hashedrekord(*body, what);
  else if (kind == "hashedrekord" && version == "0.0.2")
    fits = is_hashedrekord_2(*body, what);
  else if (kind == "dsse" && version == "0.0.1")
    fits = is_dsse(*body, what);
  else if (kind == "intoto" && version == "0.0.2")
    fits = is_intoto(*body, what);
  else
    return fail(Errc::unsupported, fmt::format("the log's entry is of the unknown kind {:.40} {:.20}", kind, version));
  return fits ? Status{} : fail(Errc::denied, "the log's entry tells of another signature");
}

}  // namespace hauberk::sign
