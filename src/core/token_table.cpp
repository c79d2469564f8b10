#include "core/token_table.h"

#include <algorithm>

#include "crypto/token.h"

namespace hauberk {

std::vector<Scope> TokenRecord::all_scopes() const {
  auto all = scopes;
  all.insert(all.end(), inherited.begin(), inherited.end());
  return all;
}

Digest bound_digest(const TokenRecord& record) {
  const auto list = [](const auto& values, auto text) {
    auto array = json::Value::array();
    for (const auto& value : values) array.push(text(value));
    return array;
  };
  auto all = json::Value::array();  // JSON, so that no value can pass for two
  all.push("hauberk token v2").push(name(record.environment)).push(record.id).push(record.subject);
  all.push(list(record.scopes, [](const Scope& scope) { return scope.text(); }));
  all.push(record.service).push(record.inherit);
  all.push(record.expires ? static_cast<std::int64_t>(record.expires->time_since_epoch().count()) : std::int64_t{0});
  all.push(list(record.made_by, [](const std::string& who) { return who; }));
  return crypto::sha256(as_bytes(json::write(all)));
}

Result<Bytes> token_record_mac(crypto::KeyProvider& keys, const TokenRecord& record, const Secret& token) {
  return crypto::token_mac(keys, token, bound_digest(record));
}

namespace {

Bytes marked_text(const TokenRecord& record) {
  return to_bytes("hauberk token record v1 " + bound_digest(record).hex() + " " + hex(record.mac));
}

}  // namespace

Result<Bytes> record_mark(crypto::KeyProvider& keys, const TokenRecord& record) {
  return keys.mac(crypto::KeyPurpose::token, marked_text(record));
}
Result<bool> record_holds(crypto::KeyProvider& keys, const TokenRecord& record) {
  if (record.mark.empty() || record.revoked) return true;  // nobody can tell; it opens to nobody anyway
  return keys.verify_mac(crypto::KeyPurpose::token, marked_text(record), record.mark);
}

Digest spent_mac(ByteView mac) {
  crypto::Sha256 sha256;
  sha256.update(as_bytes("hauberk revoked token v1\n"));
  sha256.update(mac);
  return sha256.finish();
}

TokenTable::TokenTable(Environment environment, const std::vector<TokenRecord>& records,
                       std::shared_ptr<crypto::KeyProvider> keys)
    : environment_(environment), keys_(std::move(keys)) {
  for (const auto& record : records)
    if (record.environment == environment) records_.emplace(record.id, Known{record, bound_digest(record)});
}

// Whether the token is that of a record that was revoked, by today's key: then its bearer may know.
Result<bool> TokenTable::is_spent(std::string_view token, const Known& known) const {
  const auto mac = TRY(crypto::token_mac(*keys_, token, known.bound));
  return std::ranges::equal(spent_mac(mac).bytes, known.record.mac);
}

Result<Principal> TokenTable::verify(std::string_view token, Instant now) const {
  // One text for a bad form, an unknown id and a wrong secret: it tells a guesser nothing.
  const auto unknown = [] { return fail(Errc::unauthenticated, "the API token is not valid here"); };
  const auto parts = crypto::parse_token(token);
  if (!parts || parts->environment != short_name(environment_)) return unknown();
  const auto found = records_.find(std::string(parts->id));
  static const Bytes nobody(32, 0);  // no HMAC that anybody could present: its comparison is for the time it takes
  const bool known = found != records_.end();
  const auto& mac = known ? found->second.record.mac : nobody;
  const bool bound = TRY(crypto::verify_token_mac(*keys_, token, known ? found->second.bound : Digest{}, mac));
  // Of release 0.1, with neither makers nor anything else bound to it.
  const bool equal = bound || TRY(crypto::verify_bare_token_mac(*keys_, token, mac));
  const auto revoked = [] { return fail(Errc::unauthenticated, "the API token was revoked"); };
  if (known && found->second.record.revoked && !equal && TRY(is_spent(token, found->second))) return revoked();
  if (!known || !equal) return unknown();

  // From here on the caller has shown that the token is theirs and may know what became of it.
  const auto& record = found->second.record;
  if (record.revoked) return revoked();
  if (record.expires && now >= *record.expires) return fail(Errc::unauthenticated, "the API token has expired");
  return Principal{.subject = record.subject,
                   .token_id = record.id,
                   .credential = CredentialKind::api_token,
                   .scopes = record.all_scopes(),
                   .service = record.service,
                   .made_by = record.made_by};
}

}  // namespace hauberk
