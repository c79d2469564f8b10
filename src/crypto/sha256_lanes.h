// SHA-256 of several messages at once on one core. One SHA-256 is a chain of steps that wait for each other; the
// processor has room for more such chains side by side: three by the SHA instructions (SHA-NI), sixteen by AVX-512
// where that is there too. Elsewhere the library computes them one by one: same digests, no gain. One thread at a time
// per object.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "crypto/digest.h"

namespace hauberk::crypto {

inline constexpr std::size_t sha256_block = 64;
inline constexpr std::size_t most_sha256_lanes = 16;

enum class Sha256Kernel { portable, sha_ni, avx512 };
std::string_view name(Sha256Kernel kernel);
Sha256Kernel best_sha256_kernel();              // of this processor; asked once
std::size_t useful_lanes(Sha256Kernel kernel);  // more than these are no faster

// One message on its way.
class Sha256Lane {
 public:
  explicit Sha256Lane(Sha256Kernel kernel = best_sha256_kernel());
  Digest finish(ByteView rest = {});  // takes the last bytes, of any number, and starts anew

 private:
  friend void update_together(std::span<Sha256Lane* const> lanes, std::span<const ByteView> pieces);
  friend class Gcm;  // which hashes what it seals
  void start();
  Sha256Kernel kernel_;
  std::array<std::uint32_t, 8> state_;
  std::uint64_t blocks_ = 0;
  std::unique_ptr<Sha256> portable_;
};

// Feeds each lane its piece. Up to sixteen lanes of one kernel; all pieces of one length, a multiple of 64 bytes.
void update_together(std::span<Sha256Lane* const> lanes, std::span<const ByteView> pieces);

}  // namespace hauberk::crypto
