// Time as an injected value. Pure functions take `Instant now`; services take `Clock&`; only SystemClock asks the
// machine. ManualClock is the clock of tests: it stands until it is moved. Thread safety: all clocks may be read from
// any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hauberk {

using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::sys_time<Duration>;                            // UTC, for records and expiry
using Tick = std::chrono::time_point<std::chrono::steady_clock, Duration>;  // monotonic, for timeouts and rates

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual Tick tick() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  Tick tick() const override;
};

// What this thread has used of the processor. Costs a system call.
Duration thread_processor_time();

class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : since_epoch_(start.time_since_epoch().count()) {}
  Instant now() const override { return Instant(Duration(since_epoch_.load())); }
  Tick tick() const override { return Tick(Duration(since_epoch_.load())); }
  void advance(Duration by) { since_epoch_ += by.count(); }

 private:
  std::atomic<std::int64_t> since_epoch_;
};

// Two machines may disagree about the time by so much.
inline constexpr Duration clock_tolerance = std::chrono::minutes(5);

// RFC 3339 in UTC, e.g. "2026-11-24T03:30:09Z"; fractions with millisecond digits only when not zero.
std::string rfc3339(Instant when);
// Strict RFC 3339; offsets are applied, up to nine fraction digits are kept.
Result<Instant> parse_rfc3339(std::string_view text);
// "90s", "15m", "12h", "30d", "250ms"; a bare number is refused, so that the unit is always written.
Result<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration d);

}  // namespace hauberk
