#include "guard/limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>

#include "base/random.h"
#include "base/sync.h"

namespace hauberk::guard {
namespace {

using namespace std::chrono_literals;

Tick at(Duration d) { return Tick(d); }
constexpr Rate one_a_second{.interval = 1s, .burst = 3};

TEST(Limiter, lets_a_burst_through_and_then_the_rate) {
  Limiter limiter;
  for (std::uint32_t left : {2u, 1u, 0u}) {
    const auto admission = limiter.admit("k", one_a_second, at(100s));
    EXPECT_TRUE(admission.allowed);
    EXPECT_EQ(admission.remaining, left);
  }
  const auto denied = limiter.admit("k", one_a_second, at(100s));
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.retry_after, 1s);
  EXPECT_EQ(denied.reset_after, 3s);
  EXPECT_FALSE(limiter.admit("k", one_a_second, at(100s + 999ms)).allowed);
  EXPECT_TRUE(limiter.admit("k", one_a_second, at(101s)).allowed) << "exactly when Retry-After said";
  EXPECT_TRUE(limiter.admit("other", one_a_second, at(101s)).allowed);
}

TEST(Limiter, denied_requests_cost_nothing) {
  Limiter limiter;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.admit("k", one_a_second, at(0s)).allowed);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limiter.admit("k", one_a_second, at(500ms)).allowed);
  EXPECT_TRUE(limiter.admit("k", one_a_second, at(1s)).allowed);
}

// The definition, told slowly: a leaky bucket that holds `burst` and loses one each interval.
TEST(Limiter, agrees_with_a_leaky_bucket_told_slowly) {
  SeededRandom random(11);
  for (int round = 0; round < 50; ++round) {
    Limiter limiter;
    const Rate rate{.interval = Duration(1 + random.number() % 1000),
                    .burst = static_cast<std::uint32_t>(1 + random.number() % 8)};
    std::int64_t now = 1'000'000, level = 0, since = now;  // level in units of time
    for (int i = 0; i < 500; ++i) {
      now += static_cast<std::int64_t>(random.number() % 1500);
      level = std::max<std::int64_t>(0, level - (now - since));
      since = now;
      const bool expected = level + rate.interval.count() <= rate.interval.count() * rate.burst;
      if (expected) level += rate.interval.count();
      ASSERT_EQ(limiter.admit("k", rate, Tick(Duration(now))).allowed, expected) << round << " " << i;
    }
  }
}

TEST(Limiter, many_threads_get_no_more_than_one_would) {
  Limiter limiter;
  const Rate rate{.interval = 1h, .burst = 1000};
  std::atomic<int> allowed = 0;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) allowed += limiter.admit("shared", rate, at(5s)).allowed;
      });
  }
  EXPECT_EQ(allowed, 1000);
}

TEST(Limiter, invented_keys_neither_fill_the_memory_nor_escape_the_limit) {
  Limiter limiter(64);
  int allowed = 0;
  for (int i = 0; i < 100'000; ++i) allowed += limiter.admit("key " + std::to_string(i), one_a_second, at(1s)).allowed;
  EXPECT_LE(limiter.keys(), 64u);
  EXPECT_LE(allowed, 64 + 64 * 3) << "one slot a shard and one shared bucket a shard";
  EXPECT_TRUE(limiter.admit("later", one_a_second, at(100s)).allowed) << "idle keys make room";
}

}  // namespace
}  // namespace hauberk::guard
