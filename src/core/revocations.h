// Revocations of signatures: keys, contents and single signatures that no longer count, whatever is signed well. An
// environment's list goes out as a signed in-toto statement with a number that only grows and a time until which it is
// good: who has an old one cannot tell what was added since. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/evidence.h"
#include "core/principal.h"

namespace hauberk {

enum class Revocable {
  key,        // "ecdsa-p256:…": what it signed does not count, but what somebody trusted saw before `since`
  model,      // "sha256:…": the root digest of a signed model, or the SHA-256 of a signed file
  signature,  // "sha256:…": of the signature's bytes, or of its twin's (crypto/signature.h)
};
std::string_view name(Revocable thing);
Result<Revocable> parse_revocable(std::string_view text);

struct Revocation {
  Environment environment = Environment::dev;
  Revocable thing = Revocable::key;
  std::string value;
  std::string reason;
  Instant since{};
  bool operator==(const Revocation&) const = default;
};
// invalid: a value of another form, no reason or a long one.
Status check_revocation(const Revocation& revocation);

struct RevocationList {
  Environment environment = Environment::dev;
  std::uint64_t number = 0;  // of entries that there have been: they are never taken back
  Instant issued{};
  Instant until{};
  std::vector<Revocation> entries;

  // The one of the earliest time, or null.
  const Revocation* find(Revocable thing, std::string_view value) const;
  // Its one subject is the digest of the entries.
  Statement statement(std::string_view issuer) const;
  // corrupt: no such statement, or its subject is another.
  static Result<RevocationList> of(const Statement& statement);
};

}  // namespace hauberk
