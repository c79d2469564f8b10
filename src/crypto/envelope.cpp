#include "crypto/envelope.h"

#include <fmt/format.h>

namespace hauberk::crypto {

Bytes pre_authentication_encoding(std::string_view type, std::string_view payload) {
  return to_bytes(fmt::format("DSSEv1 {} {} {} {}", type.size(), type, payload.size(), payload));
}

json::Value to_json(const Envelope& envelope) {
  json::Value signatures = json::Value::array();
  for (const auto& one : envelope.signatures)
    signatures.push(json::Value().set("keyid", one.key_id).set("sig", base64(one.signature)));
  return json::Value()
      .set("payload", base64(as_bytes(envelope.payload)))
      .set("payloadType", in_toto_type)
      .set("signatures", std::move(signatures));
}

std::string write_envelope(const Envelope& envelope) { return json::write(to_json(envelope)); }

namespace {

std::unexpected<Error> not_an_envelope(std::string_view why) {
  return fail(Errc::corrupt, fmt::format("not a DSSE envelope: {}", why));
}

}  // namespace

Result<Envelope> parse_envelope(std::string_view text) {
  const auto value = json::parse(text, {.bytes = 16u << 20, .depth = 8});
  return value ? envelope_of(*value) : not_an_envelope(value.error().message);
}

Result<Envelope> envelope_of(const json::Value& value) {
  if (value.text_or("payloadType", "") != in_toto_type) return not_an_envelope("the payload's type is not in-toto's");
  const auto payload = from_base64(value.text_or("payload", "?"));
  if (!payload) return not_an_envelope("the payload is not base64");
  const auto* list = value.find("signatures");
  const auto* signatures = list != nullptr ? list->as_array() : nullptr;
  if (signatures == nullptr || signatures->empty() || signatures->size() > 8)
    return not_an_envelope("expected one to eight signatures");
  Envelope envelope{.payload = std::string(as_text(*payload))};
  for (const auto& one : *signatures) {
    auto signature = from_base64(one.text_or("sig", "?"));
    if (!signature || signature->empty() || signature->size() > 1024)
      return not_an_envelope("a signature is not base64");
    envelope.signatures.push_back({std::string(one.text_or("keyid", "")), std::move(*signature)});
  }
  return envelope;
}

}  // namespace hauberk::crypto
