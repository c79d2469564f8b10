#include "crypto/envelope.h"

#include <fmt/format.h>

#include "base/json.h"

namespace hauberk::crypto {

Bytes pre_authentication_encoding(std::string_view type, std::string_view payload) {
  return to_bytes(fmt::format("DSSEv1 {} {} {} {}", type.size(), type, payload.size(), payload));
}

std::string write_envelope(const Envelope& envelope) {
  json::Value signatures = json::Value::array();
  for (const auto& one : envelope.signatures)
    signatures.push(json::Value().set("keyid", one.key_id).set("sig", base64(one.signature)));
  return json::write(json::Value()
                         .set("payload", base64(as_bytes(envelope.payload)))
                         .set("payloadType", in_toto_type)
                         .set("signatures", std::move(signatures)));
}

Result<Envelope> parse_envelope(std::string_view text) {
  const auto bad = [](std::string_view why) {
    return fail(Errc::corrupt, fmt::format("not a DSSE envelope: {}", why));
  };
  const auto value = json::parse(text, {.bytes = 16u << 20, .depth = 8});
  if (!value) return bad(value.error().message);
  if (value->text_or("payloadType", "") != in_toto_type) return bad("the payload's type is not in-toto's");
  const auto payload = from_base64(value->text_or("payload", "?"));
  if (!payload) return bad("the payload is not base64");
  const auto* list = value->find("signatures");
  const auto* signatures = list != nullptr ? list->as_array() : nullptr;
  if (signatures == nullptr || signatures->empty() || signatures->size() > 8)
    return bad("expected one to eight signatures");
  Envelope envelope{.payload = std::string(as_text(*payload))};
  for (const auto& one : *signatures) {
    auto signature = from_base64(one.text_or("sig", "?"));
    if (!signature || signature->empty() || signature->size() > 1024) return bad("a signature is not base64");
    envelope.signatures.push_back({std::string(one.text_or("keyid", "")), std::move(*signature)});
  }
  return envelope;
}

}  // namespace hauberk::crypto
