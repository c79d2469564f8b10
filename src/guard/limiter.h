// Limiter: the Generic Cell Rate Algorithm (ITU-T I.371; virtual scheduling) for many keys. One number a key: the time
// at which its bucket would be full again. Denied requests cost nothing. Keys that are idle carry no state and make
// room; a table that is full of busy keys counts new ones together, so that inventing keys buys nobody anything. Thread
// safety: any thread; exact across all of them. Cost: one lock of 64, one lookup. Memory: bounded by `max_keys`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hauberk::guard {

struct Rate {
  Duration interval{};      // between two requests in the long run
  std::uint32_t burst = 1;  // so many may come at once
};

struct Admission {
  bool allowed = false;
  std::uint32_t remaining = 0;  // so many more may come now
  Duration retry_after{};       // until one may come; 0 if allowed
  Duration reset_after{};       // until the whole burst is there again
};

class Limiter {
 public:
  explicit Limiter(std::size_t max_keys = 1 << 20);
  ~Limiter();
  Admission admit(std::string_view key, const Rate& rate, Tick now);
  std::size_t keys() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hauberk::guard
