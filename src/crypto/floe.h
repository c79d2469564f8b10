// FLOE: authenticated encryption of long files with random access (C2SP FLOE, AES-256-GCM with HKDF-SHA-384). The
// header is bound to key and associated data; a segment cannot be moved, dropped, repeated or cut off without notice.
// Whole-file replay by an older file under the same key is not noticed here; the digest of the content is for that.
// Layout: header of 74 bytes, then segments of `encrypted_segment` bytes, the last one marked and possibly shorter.
// One thread at a time per object. Sizes in bytes.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/sha256_lanes.h"

namespace hauberk::crypto {

struct FloeParameters {
  std::uint32_t encrypted_segment = 65'568;  // 64 KiB of plaintext and 32 bytes of its own
  std::uint32_t segments_per_key_log2 =
      20;  // a new AES key each 2^n segments; other values only for known-answer tests
  constexpr std::uint32_t plaintext_segment() const { return encrypted_segment - 32; }
};

inline constexpr std::size_t floe_header_size = 74;
inline constexpr std::size_t floe_segment_overhead = 32;

class FloeSealer {
 public:
  // `key` of 32 bytes, to be used for one file only.
  FloeSealer(const Secret& key, ByteView associated, Random& random, FloeParameters parameters = {});
  ~FloeSealer();
  FloeSealer(FloeSealer&&) noexcept;

  ByteView header() const;
  // One full segment; `plaintext` has exactly plaintext_segment() bytes. `out` takes encrypted_segment bytes.
  void inner(ByteView plaintext, std::uint8_t* out);
  // The same, and the plaintext, of a multiple of 64 bytes, is hashed in the same pass (Gcm::seal_and_hash).
  void inner_and_hash(ByteView plaintext, std::uint8_t* out, Sha256Lane& hash);
  // The last segment, of 0 to plaintext_segment() bytes. Returns its size; nothing may follow.
  std::size_t last(ByteView plaintext, std::uint8_t* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class FloeOpener {
 public:
  // Errc::corrupt: another key, other associated data or a damaged header. Checks the length of the file at once.
  static Result<FloeOpener> open(const Secret& key, ByteView associated, ByteView header, std::uint64_t file_size,
                                 FloeParameters parameters = {});
  ~FloeOpener();
  FloeOpener(FloeOpener&&) noexcept;
  FloeOpener& operator=(FloeOpener&&) noexcept;

  std::uint64_t plaintext_size() const;
  std::uint64_t segments() const;
  // Where segment i lies in the file, and how long it is.
  std::uint64_t offset_of(std::uint64_t segment) const;
  std::size_t size_of(std::uint64_t segment) const;
  // Opens segment i, given its bytes; `out` takes size_of(i) - 32 bytes.
  Status segment(std::uint64_t segment, ByteView encrypted, std::uint8_t* out);

 private:
  struct Impl;
  explicit FloeOpener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::crypto
