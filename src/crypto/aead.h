// AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags. A Gcm keeps the expanded key: making one costs
// about a microsecond, each message then only its own bytes. One thread at a time.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/sha256_lanes.h"

namespace hauberk::crypto {

// Whether Gcm::seal_and_hash() takes one pass on this processor, instead of two.
bool seals_and_hashes_in_one_pass();

inline constexpr std::size_t gcm_key_size = 32, gcm_nonce_size = 12, gcm_tag_size = 16;

class Gcm {
 public:
  explicit Gcm(const Secret& key);  // of 32 bytes
  ~Gcm();
  Gcm(Gcm&&) noexcept;
  Gcm& operator=(Gcm&&) noexcept;

  // `out` holds plaintext.size() bytes of ciphertext and then the tag. in place is fine. A nonce must never be used
  // twice.
  void seal(ByteView nonce, ByteView associated, ByteView plaintext, std::uint8_t* out);
  // The same, and the plaintext, a multiple of 64 bytes, is hashed as well: where the processor has the instructions,
  // in the time of the hash alone.
  void seal_and_hash(ByteView nonce, ByteView associated, ByteView plaintext, std::uint8_t* out, Sha256Lane& hash);
  // False, and nothing to be used in `out`, if the tag does not fit. `out` holds ciphertext.size() bytes.
  [[nodiscard]] bool open(ByteView nonce, ByteView associated, ByteView ciphertext, ByteView tag, std::uint8_t* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One small message under a random nonce: nonce || ciphertext || tag.
Bytes seal_small(const Secret& key, ByteView nonce, ByteView associated, ByteView plaintext);
Result<Secret> open_small(const Secret& key, ByteView associated, ByteView sealed);

}  // namespace hauberk::crypto
