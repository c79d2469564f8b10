// API tokens: hbk_<environment>_<id>_<secret>_<crc>. The id (12 characters) is public and finds the record, the secret
// is 32 random bytes in base64url, the CRC-32 of all before it (8 hex digits) lets a scanner or a gateway discard a
// typing error without asking anybody. Kept is only the HMAC of the whole text. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/secret.h"
#include "crypto/digest.h"
#include "crypto/key_provider.h"

namespace hauberk::crypto {

struct NewToken {
  std::string id;
  Secret text;
};
// `environment` is the short name, "dev", "stg" or "prd".
NewToken make_token(std::string_view environment, Random& random);

struct TokenParts {
  std::string_view environment;
  std::string_view id;
};
// Only the form is checked: prefix, lengths, alphabets, CRC. Views into `text`.
std::optional<TokenParts> parse_token(std::string_view text);

// Whether there is something of a token's form in the text, its checksum right or not: whoever typed it may have meant
// one.
bool holds_token(std::string_view text);

// HMAC-SHA-256 under the provider's token key of what the token is bound to and then its text.
Result<Bytes> token_mac(KeyProvider& keys, const Secret& text, const Digest& bound_to);
Result<Bytes> token_mac(KeyProvider& keys, std::string_view text, const Digest& bound_to);

// Whether `mac` is that, by today's key or a retired one; of the text alone, as release 0.1 made them.
Result<bool> verify_token_mac(KeyProvider& keys, std::string_view text, const Digest& bound_to, ByteView mac);
Result<bool> verify_bare_token_mac(KeyProvider& keys, std::string_view text, ByteView mac);

// A token that somebody presents, as text, for a TokenTable to verify; valid as long as the secret.
std::string_view presented(const Secret& token);

}  // namespace hauberk::crypto
