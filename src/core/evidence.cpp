#include "core/evidence.h"

#include <fmt/format.h>

#include "crypto/envelope.h"

namespace hauberk {
namespace {

constexpr std::string_view statement_type = "https://in-toto.io/Statement/v1";

}  // namespace

json::Value Statement::to_json() const {
  json::Value list = json::Value::array();
  for (const auto& subject : subjects)
    list.push(json::Value().set("name", subject.name).set("digest", json::Value().set("sha256", subject.digest.hex())));
  return json::Value()
      .set("_type", statement_type)
      .set("subject", std::move(list))
      .set("predicateType", predicate_type)
      .set("predicate", predicate);
}

Result<Statement> Statement::parse(std::string_view text) {
  const auto bad = [](std::string_view why) {
    return fail(Errc::corrupt, fmt::format("not an in-toto statement: {}", why));
  };
  auto value = json::parse(text, {.bytes = 16u << 20, .depth = 64});
  if (!value) return bad(value.error().message);
  if (value->text_or("_type", "") != statement_type) return bad("its _type is not Statement/v1");
  const auto* list = value->find("subject");
  const auto* subjects = list != nullptr ? list->as_array() : nullptr;
  if (subjects == nullptr || subjects->empty()) return bad("it has no subject");
  Statement statement{.predicate_type = std::string(value->text_or("predicateType", ""))};
  for (const auto& subject : *subjects) {
    const auto* digests = subject.find("digest");
    auto digest = Digest::parse(digests != nullptr ? digests->text_or("sha256", "") : "");
    if (!digest) return bad("a subject has no SHA-256");
    statement.subjects.push_back({std::string(subject.text_or("name", "")), *digest});
  }
  if (statement.predicate_type.empty()) return bad("it has no predicateType");
  if (auto* predicate = value->find("predicate")) statement.predicate = std::move(*predicate);
  return statement;
}

Result<Evidence> seal(const Statement& statement, crypto::KeyProvider& keys) {
  crypto::Envelope envelope{.payload = json::write(statement.to_json())};
  auto key_id = TRY(keys.key_id(crypto::KeyPurpose::evidence));
  auto signature = TRY(keys.sign(crypto::KeyPurpose::evidence,
                                 crypto::pre_authentication_encoding(crypto::in_toto_type, envelope.payload)));
  envelope.signatures.push_back({key_id, std::move(signature)});
  auto text = crypto::write_envelope(envelope);
  return Evidence{crypto::sha256(as_bytes(text)), statement, std::move(text), std::move(key_id)};
}

Result<Evidence> open_evidence(std::string_view envelope, crypto::KeyProvider& keys) {
  const auto parsed = TRY(crypto::parse_envelope(envelope));
  const auto encoded = crypto::pre_authentication_encoding(crypto::in_toto_type, parsed.payload);
  // Signatures by others may lie beside ours; one that we know must fit, and a known key with a wrong one spoils all.
  Error last{Errc::denied, "the evidence is signed by nobody who is trusted here", {}};
  const std::string* signer = nullptr;
  for (const auto& one : parsed.signatures) {
    auto verified = keys.verify(crypto::KeyPurpose::evidence, one.key_id, encoded, one.signature);
    if (verified)
      signer = &one.key_id;
    else if (verified.error().code != Errc::denied)
      return std::unexpected(std::move(verified).error());
    else
      last = std::move(verified).error();
  }
  if (signer == nullptr) return std::unexpected(std::move(last));
  auto statement = TRY(Statement::parse(parsed.payload));
  return Evidence{crypto::sha256(as_bytes(envelope)), std::move(statement), std::string(envelope), *signer};
}

}  // namespace hauberk
