// Random bytes as an injected value. SystemRandom is the kernel's generator (getrandom) and the only one for keys,
// tokens and nonces; SeededRandom repeats itself and exists for tests. Thread safety: SystemRandom any thread,
// SeededRandom one.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace hauberk {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;  // aborts the process if the kernel gives none: no key without randomness

  Bytes bytes(std::size_t count);
  std::uint64_t number();
};

class SystemRandom final : public Random {
 public:
  void fill(MutableBytes out) override;
};

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override;

 private:
  std::uint64_t state_;
};

// A 128-bit identifier that sorts by time: 48 bits of milliseconds, 80 of randomness, in 26 characters (ULID).
std::string make_id(std::int64_t unix_milliseconds, Random& random);

}  // namespace hauberk
