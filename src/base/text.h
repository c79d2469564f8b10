// Texts put together from parts. For the paths that run for each request: a format string is read again each time, this
// is not. Elsewhere fmt reads better.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace hauberk {

inline void append_part(std::string& out, std::string_view text) { out += text; }
inline void append_part(std::string& out, char c) { out += c; }
template <std::integral T>
  requires(!std::same_as<T, char> && !std::same_as<T, bool>)
void append_part(std::string& out, T number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// append_all(out, "HTTP/1.1 ", 200, "\r\n")
template <class... Parts>
void append_all(std::string& out, const Parts&... parts) {
  (append_part(out, parts), ...);
}

}  // namespace hauberk
