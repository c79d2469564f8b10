// DSSE v1 envelopes (Dead Simple Signing Envelope) of in-toto statements. What is signed is PAE(type, payload), with
// byte lengths; what is verified are the very bytes that are returned. Parsing is strict: one payload, the in-toto
// type, canonical base64, at least one and at most eight signatures. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"

namespace hauberk::crypto {

inline constexpr std::string_view in_toto_type = "application/vnd.in-toto+json";

struct EnvelopeSignature {
  std::string key_id;
  Bytes signature;
};
struct Envelope {
  std::string payload;
  std::vector<EnvelopeSignature> signatures;
};

// "DSSEv1 <length of type> <type> <length of payload> <payload>"
Bytes pre_authentication_encoding(std::string_view type, std::string_view payload);
std::string write_envelope(const Envelope& envelope);
json::Value to_json(const Envelope& envelope);
Result<Envelope> parse_envelope(std::string_view text);
Result<Envelope> envelope_of(const json::Value& value);

}  // namespace hauberk::crypto
