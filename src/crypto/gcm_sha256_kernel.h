// AES-256-GCM and SHA-256 of one plaintext in one pass, by instructions of x86-64 (AES-NI, PCLMULQDQ, SHA-NI, AVX). A
// single SHA-256 is a chain of steps that wait for each other; the cipher runs in the gaps and costs almost nothing.
// For crypto/aead alone, which knows a way without these instructions. No memory is addressed and no branch taken by
// what is secret.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hauberk::crypto {

struct alignas(16) GcmSha256Keys {
  std::uint8_t round[15][16];  // of AES-256
  std::uint8_t powers[4][16];  // of the hash key, in POLYVAL's form (RFC 8452, appendix A)
};

bool has_gcm_sha256();  // this processor and its operating system; the rest is only to be called where it does
void expand_gcm_sha256(const std::uint8_t* key, GcmSha256Keys& keys);  // `key`: 32 bytes

// `chunks` of 64 bytes from `plaintext` to `ciphertext`, which may be the same, and into the eight words of `state`;
// then the tag of 16 bytes. `nonce`: 12 bytes. `associated`: up to 16. At most 2^20 chunks.
void seal_gcm_sha256(const GcmSha256Keys& keys, const std::uint8_t* nonce, const std::uint8_t* associated,
                     std::size_t associated_size, const std::uint8_t* plaintext, std::size_t chunks,
                     std::uint8_t* ciphertext, std::uint8_t* tag, std::uint32_t* state);

}  // namespace hauberk::crypto
