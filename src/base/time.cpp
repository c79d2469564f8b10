#include "base/time.h"

#include <fmt/format.h>

#include <charconv>
#include <ctime>

namespace hauberk {
namespace {

using namespace std::chrono;

// Reads exactly `digits` decimal digits at `at`; -1 if there are none.
int digits_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

struct Unit {
  std::string_view name;
  Duration length;
};
constexpr Unit units[] = {{"ms", milliseconds(1)}, {"us", microseconds(1)}, {"ns", nanoseconds(1)}, {"s", seconds(1)},
                          {"m", minutes(1)},       {"h", hours(1)},         {"d", hours(24)}};

}  // namespace

Instant SystemClock::now() const { return time_point_cast<Duration>(system_clock::now()); }
Tick SystemClock::tick() const { return time_point_cast<Duration>(steady_clock::now()); }

Duration thread_processor_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return seconds(used.tv_sec) + nanoseconds(used.tv_nsec);
}

// Digit by digit: each event of the ledger has one.
std::string rfc3339(Instant when) {
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss<Duration> time(when - day);
  std::string out = "0000-00-00T00:00:00";
  const auto put = [&out](std::size_t end, std::int64_t number) {
    for (; number != 0; number /= 10) out[--end] = static_cast<char>('0' + number % 10);
  };
  put(4, static_cast<int>(date.year()));
  put(7, static_cast<unsigned>(date.month()));
  put(10, static_cast<unsigned>(date.day()));
  put(13, time.hours().count());
  put(16, time.minutes().count());
  put(19, time.seconds().count());
  if (const auto ms = duration_cast<milliseconds>(time.subseconds()).count(); ms != 0) {
    out += ".000";
    put(23, ms);
  }
  return out += 'Z';
}

Result<Instant> parse_rfc3339(std::string_view text) {
  const auto bad = [&] {
    return fail(Errc::invalid, fmt::format("'{}' is no RFC 3339 time such as 2026-11-24T03:30:09Z", text));
  };
  const int y = digits_at(text, 0, 4), mo = digits_at(text, 5, 2), d = digits_at(text, 8, 2);
  const int h = digits_at(text, 11, 2), mi = digits_at(text, 14, 2), s = digits_at(text, 17, 2);
  if (y < 0 || mo < 0 || d < 0 || h < 0 || mi < 0 || s < 0) return bad();
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
    return bad();
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
  if (!date.ok() || h > 23 || mi > 59 || s > 60) return bad();
  if (y < 1700 || y > 2250) return bad();  // nanoseconds in 64 bits end soon after
  std::size_t at = 19;
  std::int64_t nanos = 0;
  if (at < text.size() && text[at] == '.') {
    std::size_t count = 0;
    std::int64_t scale = 100'000'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++count, scale /= 10)
      nanos += (text[at] - '0') * scale;
    if (count == 0 || count > 9) return bad();
  }
  minutes offset(0);
  if (at < text.size() && (text[at] == 'Z' || text[at] == 'z')) {
    ++at;
  } else if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    const int oh = digits_at(text, at + 1, 2), om = digits_at(text, at + 4, 2);
    if (oh < 0 || oh > 23 || om < 0 || om > 59 || text[at + 3] != ':') return bad();
    offset = hours(oh) + minutes(om);
    if (text[at] == '-') offset = -offset;
    at += 6;
  } else {
    return bad();
  }
  if (at != text.size()) return bad();
  return Instant(sys_days(date).time_since_epoch() + hours(h) + minutes(mi) + seconds(s) + nanoseconds(nanos) - offset);
}

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, text.data() + text.size());
  if (error == std::errc() && count >= 0)
    for (const auto& u : units)
      if (u.name == unit) {
        if (count > Duration::max().count() / u.length.count()) break;
        return u.length * count;
      }
  return fail(Errc::invalid,
              fmt::format("'{}' is no duration; write a number and a unit, such as 250ms, 30s, 15m, 12h or 30d", text));
}

std::string duration_text(Duration d) {
  constexpr Unit steps[] = {{"d", hours(24)},  {"h", hours(1)},         {"m", minutes(1)},
                            {"s", seconds(1)}, {"ms", milliseconds(1)}, {"us", microseconds(1)}};
  for (const auto& u : steps)
    if (d.count() != 0 && d % u.length == Duration(0)) return fmt::format("{}{}", d / u.length, u.name);
  return d.count() == 0 ? "0s" : fmt::format("{}ns", d.count());
}

}  // namespace hauberk
