// HMAC-SHA-256 (RFC 2104) and HKDF-Expand with SHA-384 (RFC 5869, step 2 only). Pure; any thread.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

namespace hauberk::crypto {

Bytes hmac_sha256(const Secret& key, ByteView message);                      // 32 bytes
bool verify_hmac_sha256(const Secret& key, ByteView message, ByteView mac);  // constant time
// `length` at most 255 * 48.
Secret hkdf_expand_sha384(const Secret& key, ByteView info, std::size_t length);

}  // namespace hauberk::crypto
