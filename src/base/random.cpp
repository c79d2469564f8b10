#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace hauberk {

Bytes Random::bytes(std::size_t count) {
  Bytes out(count);
  fill(out);
  return out;
}

std::uint64_t Random::number() {
  std::uint8_t raw[8];
  fill(raw);
  return load_le<std::uint64_t>(raw);
}

void SystemRandom::fill(MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto n = ::getrandom(out.data() + done, out.size() - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) std::abort();
    done += static_cast<std::size_t>(n);
  }
}

void SeededRandom::fill(MutableBytes out) {
  for (auto& byte : out) {  // splitmix64, one byte a step: a test's generator, simple before fast
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    byte = static_cast<std::uint8_t>((z ^ (z >> 31)) >> 24);
  }
}

std::string make_id(std::int64_t unix_milliseconds, Random& random) {
  constexpr char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  std::uint8_t raw[10];
  random.fill(raw);
  std::string id(26, '0');
  auto time = static_cast<std::uint64_t>(unix_milliseconds);
  for (int i = 9; i >= 0; --i, time >>= 5) id[static_cast<std::size_t>(i)] = crockford[time & 31];
  std::uint64_t high = load_be<std::uint64_t>(raw) >> 24;               // the first 40 bits
  std::uint64_t low = load_be<std::uint64_t>(raw + 2) & 0xFFFFFFFFFFu;  // the last 40 bits
  for (int i = 17; i >= 10; --i, high >>= 5) id[static_cast<std::size_t>(i)] = crockford[high & 31];
  for (int i = 25; i >= 18; --i, low >>= 5) id[static_cast<std::size_t>(i)] = crockford[low & 31];
  return id;
}

}  // namespace hauberk
