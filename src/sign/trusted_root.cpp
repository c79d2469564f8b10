#include "sign/trusted_root.h"

#include <fmt/format.h>

#include "base/json.h"

namespace hauberk::sign {
namespace {

// Years beyond those of an Instant stand for "no end".
Result<Instant> end_of(std::string_view text) {
  constexpr std::string_view last_year = "2250";
  const auto year = text.substr(0, std::min<std::size_t>(4, text.size()));
  const bool far =
      year.size() == 4 && year.find_first_not_of("0123456789") == std::string_view::npos && year > last_year;
  return far ? Result<Instant>(Instant::max()) : parse_rfc3339(text);
}

constexpr std::string_view trusted_root_type = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
constexpr std::string_view trusted_root_type_2 = "application/vnd.dev.sigstore.trustedroot.v0.2+json";

std::unexpected<Error> unreadable(std::string_view why) {
  return fail(Errc::invalid, fmt::format("not a trusted root of Sigstore: {}", why));
}

struct Validity {
  Instant from = Instant::min(), to = Instant::max();
};

Result<Validity> validity_of(const json::Value* holder) {
  Validity validity;
  const auto* period = holder != nullptr ? holder->find("validFor") : nullptr;
  if (period == nullptr) return validity;
  if (const auto start = period->text_or("start", ""); !start.empty()) validity.from = TRY(parse_rfc3339(start));
  if (const auto end = period->text_or("end", ""); !end.empty()) validity.to = TRY(end_of(end));
  return validity;
}

const json::Array& members(const json::Value& value, std::string_view key) {
  static const json::Array none;
  const auto* member = value.find(key);
  const auto* list = member != nullptr ? member->as_array() : nullptr;
  return list != nullptr ? *list : none;
}

Result<std::vector<crypto::Certificate>> chain_of(const json::Value& value) {
  std::vector<crypto::Certificate> chain;
  const auto* holder = value.find("certChain");
  for (const auto& one : holder != nullptr ? members(*holder, "certificates") : json::Array()) {
    const auto der = from_base64(one.text_or("rawBytes", "?"));
    if (!der) return unreadable("a certificate is not base64");
    chain.push_back(TRY(crypto::Certificate::from_der(*der)));
  }
  if (chain.empty()) return unreadable("an authority has no certificates");
  return chain;
}

// Calls `add(id, key, validity)` for each log whose key is supported.
template <class Add>
Status each_log(const json::Value& value, std::string_view list, Add add) {
  for (const auto& log : members(value, list)) {
    const auto* key = log.find("publicKey");
    const auto* name = log.find("logId");
    const auto der = from_base64(key != nullptr ? key->text_or("rawBytes", "?") : "?");
    auto id = from_base64(name != nullptr ? name->text_or("keyId", "?") : "?");
    if (!der || !id) return unreadable("a log lacks its key or its id");
    const auto validity = TRY(validity_of(key));
    auto verifying = crypto::VerifyingKey::from_der(*der);
    if (verifying) add(std::move(*id), std::move(*verifying), validity);
  }
  return {};
}

}  // namespace

Result<TrustedRoot> parse_trusted_root(std::string_view text) {
  const auto value = json::parse(text, {.bytes = 4u << 20, .depth = 16});
  if (!value) return unreadable(value.error().message);
  const auto type = value->text_or("mediaType", "");
  if (type != trusted_root_type && type != trusted_root_type_2)
    return unreadable(fmt::format("its media type is \"{:.80}\"", type));
  TrustedRoot root;
  CHECK(each_log(*value, "tlogs", [&](Bytes id, crypto::VerifyingKey key, Validity validity) {
    root.logs.push_back({std::move(id), std::move(key), validity.from, validity.to});
  }));
  CHECK(each_log(*value, "ctlogs", [&](Bytes id, crypto::VerifyingKey key, Validity validity) {
    root.certificate_logs.push_back({std::move(id), std::move(key), validity.from, validity.to});
  }));
  for (const auto& authority : members(*value, "certificateAuthorities")) {
    const auto validity = TRY(validity_of(&authority));
    root.authorities.push_back({TRY(chain_of(authority)), validity.from, validity.to});
  }
  for (const auto& authority : members(*value, "timestampAuthorities")) {
    const auto validity = TRY(validity_of(&authority));
    root.timestamp_authorities.push_back({TRY(chain_of(authority)), validity.from, validity.to});
  }
  return root;
}

}  // namespace hauberk::sign
