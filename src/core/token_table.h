// TokenTable: the API tokens of one environment as they were when a snapshot was built; immutable, so that every worker
// may ask it without a lock. A presented token is looked up by its public id and compared by HMAC in constant time; an
// unknown id costs the same work as a wrong secret and gets the same answer. Thread safety: any thread.
// Cost: one HMAC-SHA-256 and one hash lookup. Errors: unauthenticated, with a text that may be shown to the caller.
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

class TokenTable {
 public:
  // Records of other environments are left out; their scopes are all they have (registry::effective_tokens). `keys` are
  // those of `environment`.
  TokenTable(Environment environment, const std::vector<TokenRecord>& records,
             std::shared_ptr<crypto::KeyProvider> keys);

  Result<Principal> verify(std::string_view token, Instant now) const;
  std::size_t size() const { return records_.size(); }

 private:
  Environment environment_;
  std::shared_ptr<crypto::KeyProvider> keys_;
  std::unordered_map<std::string, TokenRecord> records_;
};

}  // namespace hauberk
