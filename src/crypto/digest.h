// Digest: the name of bytes. SHA-256 (FIPS 180-4), written "sha256:<64 hex>". Public values: compared with ==.
#pragma once

#include <array>
#include <compare>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hauberk {

struct Digest {
  std::array<std::uint8_t, 32> bytes{};

  std::string text() const;                                  // "sha256:…"
  std::string hex() const { return hauberk::hex(bytes); }    // 64 digits
  std::string brief() const { return hex().substr(0, 12); }  // for people
  static Result<Digest> parse(std::string_view text);        // "sha256:…" or 64 hex digits
  auto operator<=>(const Digest&) const = default;
};

namespace crypto {

Digest sha256(ByteView bytes);

// Incremental SHA-256. One thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(ByteView bytes);
  Digest finish();  // and starts anew

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crypto
}  // namespace hauberk
