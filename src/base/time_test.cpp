#include "base/time.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

using namespace std::chrono_literals;

TEST(Time, rfc3339_round_trips) {
  for (const std::string_view text : {"2026-11-24T03:30:09Z", "1970-01-01T00:00:00Z", "2024-02-29T23:59:59.250Z"}) {
    const auto when = parse_rfc3339(text);
    ASSERT_TRUE(when) << text;
    EXPECT_EQ(rfc3339(*when), text);
  }
}

TEST(Time, rfc3339_applies_offsets) {
  EXPECT_EQ(rfc3339(*parse_rfc3339("2026-11-24T05:30:09+02:00")), "2026-11-24T03:30:09Z");
}

TEST(Time, rfc3339_refuses_what_is_not_a_time) {
  for (const std::string_view bad : {"", "2026-11-24", "2026-02-30T00:00:00Z", "2999-01-01T00:00:00Z",
                                     "2026-11-24T25:00:00Z", "2026-11-24T03:30:09", "2026-11-24T03:30:09Zx"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(Time, durations_carry_their_unit) {
  EXPECT_EQ(*parse_duration("90s"), 90s);
  EXPECT_EQ(*parse_duration("30d"), 30 * 24h);
  EXPECT_EQ(duration_text(90s), "90s");
  EXPECT_EQ(duration_text(2h), "2h");
  for (const std::string_view bad : {"", "5", "s", "-3s", "5 s", "99999999999999999d"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(ManualClock, stands_until_it_is_moved) {
  ManualClock clock(*parse_rfc3339("2026-11-24T00:00:00Z"));
  const auto before = clock.tick();
  clock.advance(5s);
  EXPECT_EQ(clock.tick() - before, 5s);
  EXPECT_EQ(rfc3339(clock.now()), "2026-11-24T00:00:05Z");
}

}  // namespace
}  // namespace hauberk
