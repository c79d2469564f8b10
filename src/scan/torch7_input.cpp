#include "scan/torch7_input.h"

#include <algorithm>
#include <array>
#include <limits>

namespace hauberk::scan {
namespace {

constexpr std::int64_t int_most = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t long_most = std::numeric_limits<std::int64_t>::max();

bool is_torch7_digit(std::uint8_t c) { return c >= '0' && c <= '9'; }

}  // namespace

std::int32_t Torch7Input::integer() {
  if (ascii_) return static_cast<std::int32_t>(ascii_whole(int_most));
  if (!at_.need(4)) return fail(), 0;
  const auto value = load_le<std::uint32_t>(at_.data());
  at_.advance(4);
  return static_cast<std::int32_t>(value);
}

std::int64_t Torch7Input::long_integer() {
  if (ascii_) return ascii_whole(long_most);
  if (!at_.need(long_width_)) return fail(), 0;
  const auto value = long_width_ == 8 ? static_cast<std::int64_t>(load_le<std::uint64_t>(at_.data()))
                                      : std::int64_t{static_cast<std::int32_t>(load_le<std::uint32_t>(at_.data()))};
  at_.advance(long_width_);
  return value;
}

std::string Torch7Input::text(std::int64_t size, std::uint64_t kept) {
  if (size < 0 || static_cast<std::uint64_t>(size) > at_.remaining()) return fail(), std::string();
  std::string out;
  kept = std::min(kept, static_cast<std::uint64_t>(size));
  while (out.size() < kept) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(kept - out.size(), 16u << 10));
    if (!at_.need(part)) return fail(), std::string();
    out.append(reinterpret_cast<const char*>(at_.data()), part);
    at_.advance(part);
  }
  if (!at_.skip(static_cast<std::uint64_t>(size) - kept)) fail();
  if (ascii_ && size > 0) end_of_line();
  return out;
}

void Torch7Input::skip_numbers(std::int64_t count, const Torch7Element& element) {
  if (count < 0 || static_cast<std::uint64_t>(count) > at_.remaining()) return (void)fail();
  if (ascii_ && element.width == 1) return (void)text(count, 0);  // bytes are written as they are
  if (!ascii_) {
    const auto width = element.width == 0 ? long_width_ : element.width;
    const auto numbers = static_cast<std::uint64_t>(count);
    if (numbers > at_.remaining() / width || !at_.skip(numbers * width)) fail();
    return;
  }
  for (std::int64_t i = 0; i < count && good_; ++i) {
    if ((++numbers_ & 0xffff) == 0 && !budget_.check_time()) fail();
    if (element.whole)
      ascii_whole(long_most);
    else if (!ascii_real())
      fail();
  }
  if (count > 0 && !element.whole) end_of_line();
}

void Torch7Input::skip_space() {
  while (at_.need(1) && (*at_.data() == ' ' || (*at_.data() >= 9 && *at_.data() <= 13))) at_.advance(1);
}

void Torch7Input::find_long_width_of_tensor(std::int32_t dimensions) {
  if (ascii_ || long_known_) return;
  for (const std::size_t width : {std::size_t{8}, std::size_t{4}}) {
    std::array<std::uint8_t, 4> bytes{};
    const auto longs = 2 * static_cast<std::uint64_t>(dimensions) + 1;
    const auto got = data_.read_at(at_.position() + longs * width, bytes);
    if (!got || *got != bytes.size()) continue;
    const auto tag = load_le<std::uint32_t>(bytes.data());
    if (tag != 0 && tag != 4) continue;  // nil, or an object
    long_width_ = width;
    long_known_ = true;
    return;
  }
}

void Torch7Input::find_long_width_of_storage(const Torch7Element& element) {
  if (ascii_ || long_known_ || !at_.need(8)) return;
  const auto fits = [&](std::uint64_t count, std::size_t width) {
    return count <= (at_.remaining() - width) / (element.width == 0 ? width : element.width);
  };
  long_known_ = true;
  if (!fits(load_le<std::uint64_t>(at_.data()), 8) && fits(load_le<std::uint32_t>(at_.data()), 4)) long_width_ = 4;
}

bool Torch7Input::next_is(std::uint8_t a, std::uint8_t b) {
  if (!at_.need(1) || (*at_.data() != a && *at_.data() != b)) return false;
  at_.advance(1);
  return true;
}

// After what it reads, Torch7 passes one end of line.
void Torch7Input::end_of_line() {
  if (good_) next_is('\n', '\n');
}

std::size_t Torch7Input::digits() {
  std::size_t count = 0;
  for (; is_torch7_digit(peek()); ++count) at_.advance(1);
  return count;
}

// As scanf's %d and %ld, but for numbers too large, of which scanf makes others.
std::int64_t Torch7Input::ascii_whole(std::int64_t most) {
  skip_space();
  const bool negative = peek() == '-';
  next_is('-', '+');
  const auto limit = static_cast<std::uint64_t>(most) + (negative ? 1 : 0);
  std::uint64_t value = 0;
  bool any = false;
  for (; is_torch7_digit(peek()); any = true) {
    const auto digit = static_cast<std::uint64_t>(peek() - '0');
    at_.advance(1);
    if (value > (limit - digit) / 10) return fail(), 0;
    value = value * 10 + digit;
  }
  if (!any) return fail(), 0;
  end_of_line();
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

// As scanf's %g, but for hexadecimal numbers, which printf's %g does not write.
bool Torch7Input::ascii_real() {
  skip_space();
  next_is('-', '+');
  if (!is_torch7_digit(peek()) && peek() != '.') {
    std::string word;
    for (auto c = peek() | 0x20; c >= 'a' && c <= 'z' && word.size() < 9; c = peek() | 0x20) {
      word += static_cast<char>(c);
      at_.advance(1);
    }
    return word == "nan" || word == "inf" || word == "infinity";
  }
  auto count = digits();
  if (next_is('.', '.')) count += digits();
  if (count == 0) return false;
  if (!next_is('e', 'E')) return true;
  next_is('-', '+');
  return digits() != 0;
}

}  // namespace hauberk::scan
