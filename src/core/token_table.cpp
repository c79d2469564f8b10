#include "core/token_table.h"

#include "crypto/token.h"

namespace hauberk {

TokenTable::TokenTable(Environment environment, const std::vector<TokenRecord>& records,
                       std::shared_ptr<crypto::KeyProvider> keys)
    : environment_(environment), keys_(std::move(keys)) {
  for (const auto& record : records)
    if (record.environment == environment) records_.emplace(record.id, record);
}

Result<Principal> TokenTable::verify(std::string_view token, Instant now) const {
  // One text for a bad form, an unknown id and a wrong secret: it tells a guesser nothing.
  const auto unknown = [] { return fail(Errc::unauthenticated, "the API token is not valid here"); };
  const auto parts = crypto::parse_token(token);
  if (!parts || parts->environment != short_name(environment_)) return unknown();
  const auto found = records_.find(std::string(parts->id));
  static const Bytes nobody(32, 0);  // no HMAC that anybody could present: its comparison is for the time it takes
  const bool known = found != records_.end();
  const bool equal = TRY(crypto::verify_token_mac(*keys_, token, known ? found->second.mac : nobody));
  if (!known || !equal) return unknown();

  // From here on the caller has shown that the token is theirs and may know what became of it.
  const auto& record = found->second;
  if (record.revoked) return fail(Errc::unauthenticated, "the API token was revoked");
  if (record.expires && now >= *record.expires) return fail(Errc::unauthenticated, "the API token has expired");
  return Principal{.subject = record.subject,
                   .token_id = record.id,
                   .credential = CredentialKind::api_token,
                   .scopes = record.scopes,
                   .service = record.service};
}

}  // namespace hauberk
