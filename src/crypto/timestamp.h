// Trusted time (RFC 3161): a token in which a timestamp authority says when it saw a hash. Accepted are whole responses
// and bare tokens in DER, over SHA-256, SHA-384 or SHA-512. Thread safety: any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "crypto/certificate.h"

namespace hauberk::crypto {

struct TimestampAuthority {
  // The signer first, the last one is the anchor. A root alone vouches for whomever it signed.
  std::vector<Certificate> chain;
  Instant from, to;  // when it may be believed; both inclusive
};

struct Timestamp {
  Instant time;
  std::string authority;  // subject of the signer
};

// The time in the token, if one of the authorities made it of this very message. The authority's certificates must have
// been valid at that time, not now. Errors: corrupt (no token, or of another message), denied (nobody trusted made it).
Result<Timestamp> verify_timestamp(ByteView token, ByteView message, std::span<const TimestampAuthority> authorities);

// What to ask an authority: a timestamp of the message's SHA-256, with its certificate, under this nonce. DER.
Bytes timestamp_query(ByteView message, std::uint64_t nonce);
// The reply, if it is a timestamp of this message and nonce; who made it is not looked at.
Result<Bytes> timestamp_reply(ByteView reply, ByteView message, std::uint64_t nonce);

}  // namespace hauberk::crypto
