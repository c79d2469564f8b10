// TokenTable: the API tokens of one environment as they were when a snapshot was built; immutable, so that every worker
// may ask it without a lock. A presented token is looked up by its public id and compared by HMAC in constant time; an
// unknown id costs the same work as a wrong secret and gets the same answer. Thread safety: any thread.
// What a token may do is bound to it: a record whose subject, grants, flags or end were changed in the catalogue opens
// to nobody, as only who has the token key can make its HMAC. Records of release 0.1 are bound to the token alone.
// Cost: one HMAC-SHA-256 (two where it does not match) and one hash lookup. Errors: unauthenticated, with a text that
// may be shown to the caller.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/catalog.h"
#include "core/principal.h"
#include "crypto/key_provider.h"

namespace hauberk {

// What a token is bound to: a digest of all of its record but the HMAC, the time it was made and whether it was
// revoked.
Digest bound_digest(const TokenRecord& record);
Result<Bytes> token_record_mac(crypto::KeyProvider& keys, const TokenRecord& record, const Secret& token);

// An HMAC of the record and its HMAC, by which it can be judged without the token: is it as it was made, and is the key
// still there by which its token would be known?
Result<Bytes> record_mark(crypto::KeyProvider& keys, const TokenRecord& record);
Result<bool> record_holds(crypto::KeyProvider& keys, const TokenRecord& record);

// What the HMAC of a revoked record becomes: nobody can go back from it.
Digest spent_mac(ByteView mac);

class TokenTable {
 public:
  // Records of other environments are left out. With what they inherit as registry::effective_tokens says it. `keys`
  // are those of `environment`.
  TokenTable(Environment environment, const std::vector<TokenRecord>& records,
             std::shared_ptr<crypto::KeyProvider> keys);

  Result<Principal> verify(std::string_view token, Instant now) const;
  std::size_t size() const { return records_.size(); }

 private:
  Environment environment_;
  std::shared_ptr<crypto::KeyProvider> keys_;
  struct Known {
    TokenRecord record;
    Digest bound;
  };
  Result<bool> is_spent(std::string_view token, const Known& known) const;

  std::unordered_map<std::string, Known> records_;
};

}  // namespace hauberk
