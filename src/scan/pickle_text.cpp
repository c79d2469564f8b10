#include "scan/pickle_text.h"

#include <cstdint>
#include <optional>

namespace hauberk::scan {
namespace {

std::optional<std::uint32_t> digits(std::string_view text, std::size_t count, unsigned base) {
  if (text.size() < count) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text.substr(0, count)) {
    unsigned digit = 99;
    if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

char simple_escape(char c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return '\0';
  }
}

}  // namespace

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xC0 | c >> 6), put(0x80 | (c & 63));
  if (c < 0x10000) return put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
  put(0xF0 | (c >> 18 & 7)), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
}

std::string decode_string_escapes(std::string_view quoted) {
  if (quoted.size() >= 2) quoted = quoted.substr(1, quoted.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] != '\\' || i + 1 >= quoted.size()) {
      out += quoted[i];
      continue;
    }
    const auto rest = quoted.substr(i + 1);
    if (const char simple = simple_escape(rest[0])) {
      out += simple;
      ++i;
    } else if (const auto value = rest[0] == 'x' ? digits(rest.substr(1), 2, 16) : std::nullopt) {
      out += static_cast<char>(*value);
      i += 3;
    } else if (digits(rest, 1, 8)) {
      const std::size_t count = digits(rest, 3, 8) ? 3 : digits(rest, 2, 8) ? 2 : 1;
      out += static_cast<char>(*digits(rest, count, 8));
      i += count;
    } else {
      out += quoted[i];
    }
  }
  return out;
}

std::string decode_unicode_escapes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'u' || text[i + 1] == 'U')) {
      const std::size_t count = text[i + 1] == 'u' ? 4 : 8;
      if (const auto value = digits(text.substr(i + 2), count, 16)) {
        append_utf8(out, *value);
        i += count + 1;
        continue;
      }
    }
    append_utf8(out, static_cast<unsigned char>(text[i]));  // the other bytes are Latin-1
  }
  return out;
}

bool latin1_bytes(std::string_view utf8, std::string& out) {
  out.clear();
  out.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      out += utf8[i];
    } else if ((c == 0xC2 || c == 0xC3) && i + 1 < utf8.size()) {
      out += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(utf8[++i]) & 63));
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace hauberk::scan
