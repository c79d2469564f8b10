// Source: RFC 8259 and the documentation of Python's json module.
#include "scan/json_stream.h"

#include <algorithm>
#include <vector>

namespace hauberk::scan {
namespace {

constexpr std::size_t json_depth_limit = 900;  // Python's own ends near there

class JsonStream {
 public:
  JsonStream(Reader& data, ConfigEvents& events, Budget& budget) : at_(data), events_(events), budget_(budget) {}

  JsonOutcome run() {
    if (at_.need(3) && at_.data()[0] == 0xef && at_.data()[1] == 0xbb && at_.data()[2] == 0xbf) at_.advance(3);
    value();
    while (outcome_.end == JsonOutcome::complete && !open_.empty()) step();
    if (outcome_.end == JsonOutcome::complete && peek() >= 0) bad("something follows the end");
    // Whoever listens sees every beginning ended.
    for (; !open_.empty(); open_.pop_back()) events_.end();
    if (at_.failed()) outcome_ = {JsonOutcome::unreadable, at_.position(), "the data cannot be read"};
    return outcome_;
  }

 private:
  void bad(std::string_view what, JsonOutcome::End end = JsonOutcome::malformed) {
    if (outcome_.end == JsonOutcome::complete) outcome_ = {end, at_.position(), what};
  }
  // The next byte after blanks, not consumed; negative at the end.
  int peek() {
    while (at_.need(1)) {
      const auto c = *at_.data();
      if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
      at_.advance(1);
    }
    return -1;
  }
  bool take(char c) {
    if (peek() != c) return false;
    at_.advance(1);
    return true;
  }

  struct Level {
    bool object;
    bool empty;
  };
  void step() {
    auto& level = open_.back();
    if (take(level.object ? '}' : ']')) {
      open_.pop_back();
      events_.end();
      return;
    }
    if (!level.empty && !take(',')) return bad(peek() < 0 ? "the text is cut off" : "a comma is missing");
    level.empty = false;
    if (level.object) {
      if (peek() != '"') return bad("a key is missing");
      const auto offset = at_.position();
      if (!string()) return;
      if (!budget_.spend_entries()) return bad("", JsonOutcome::out_of_budget);
      events_.key(buffer_, offset);
      if (!take(':')) return bad("a colon is missing");
    }
    value();
  }

  void value() {
    const int c = peek();
    const auto offset = at_.position();
    if (c == '{' || c == '[') {
      if (open_.size() >= json_depth_limit) return bad("nested too deep", JsonOutcome::too_deep);
      if (!budget_.spend_entries()) return bad("", JsonOutcome::out_of_budget);
      at_.advance(1);
      open_.push_back({c == '{', true});
      events_.begin(c == '{', offset);
    } else if (c == '"') {
      if (!string()) return;
      if (!budget_.spend_entries()) return bad("", JsonOutcome::out_of_budget);
      events_.text(buffer_, whole_, offset);
    } else if (c < 0) {
      bad("the text is cut off");
    } else {
      plain(offset);
    }
  }

  void plain(std::uint64_t offset) {
    buffer_.clear();
    while (at_.need(1)) {
      const char c = static_cast<char>(*at_.data());
      const bool part = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                        c == '+' || c == '.';
      if (!part) break;
      // Whole numbers may be as long as they like, and say nothing.
      if (buffer_.size() < 64) buffer_ += c;
      at_.advance(1);
    }
    if ((++plain_count_ & 0xffff) == 0 && !budget_.check_time()) return bad("", JsonOutcome::out_of_budget);
    if (buffer_ != "true" && buffer_ != "false" && buffer_ != "null" && buffer_ != "NaN" && buffer_ != "Infinity" &&
        buffer_ != "-Infinity" && !is_number(buffer_))
      return bad("a value that JSON does not know");
    events_.plain(buffer_, offset);
  }
  static bool is_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto digits = [&] {
      std::size_t n = 0;
      while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
      text.remove_prefix(n);
      return n;
    };
    if (text.empty() || (text[0] == '0' && text.size() > 1 && text[1] >= '0' && text[1] <= '9') || digits() == 0)
      return false;
    if (text.starts_with('.')) {
      text.remove_prefix(1);
      if (digits() == 0) return text.empty();
    }
    if (!text.empty() && (text[0] | 0x20) == 'e') {
      text.remove_prefix(1);
      if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
      digits();
    }
    return text.empty();
  }

  void keep(std::string_view bytes) {
    if (buffer_.size() < config_text_kept)
      buffer_ += bytes;
    else
      whole_ = false;
  }
  bool string() {
    buffer_.clear();
    whole_ = true;
    at_.advance(1);
    while (at_.need(1)) {
      const auto* from = at_.data();
      std::size_t n = 0;
      const std::size_t limit = at_.buffered();
      while (n < limit && from[n] >= 0x20 && from[n] < 0x80 && from[n] != '"' && from[n] != '\\') ++n;
      if (n != 0) {
        keep({reinterpret_cast<const char*>(from), n});
        at_.advance(n);
        continue;
      }
      const auto c = *from;
      if (c == '"') {
        at_.advance(1);
        return true;
      }
      if (c < 0x20) return bad("a control character in a text"), false;
      if (c == '\\' ? !escape() : !wide_character()) return false;
    }
    bad("a text is cut off");
    return false;
  }

  bool wide_character() {
    const auto c = *at_.data();
    const std::size_t length = c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    if (length == 0 || !at_.need(length)) return bad("a text that is not UTF-8"), false;
    const auto* from = at_.data();
    for (std::size_t i = 1; i < length; ++i)
      if ((from[i] & 0xc0) != 0x80) return bad("a text that is not UTF-8"), false;
    keep({reinterpret_cast<const char*>(from), length});
    at_.advance(length);
    return true;
  }

  bool hex4(std::size_t from, std::uint32_t& code) {
    if (!at_.need(from + 4)) return false;
    code = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const char c = static_cast<char>(at_.data()[from + i]);
      const int digit = c >= '0' && c <= '9'                     ? c - '0'
                        : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                 : -1;
      if (digit < 0) return false;
      code = code * 16 + static_cast<std::uint32_t>(digit);
    }
    return true;
  }
  bool escape() {
    if (!at_.need(2)) return bad("a text is cut off"), false;
    const char c = static_cast<char>(at_.data()[1]);
    constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    if (const auto known = from.find(c); known != std::string_view::npos) {
      keep(to.substr(known, 1));
      at_.advance(2);
      return true;
    }
    std::uint32_t code = 0, second = 0;
    if (c != 'u' || !hex4(2, code)) return bad("an escape that JSON does not know"), false;
    std::size_t length = 6;
    if (code >= 0xd800 && code < 0xdc00 && at_.need(12) && at_.data()[6] == '\\' && at_.data()[7] == 'u' &&
        hex4(8, second) && second >= 0xdc00 && second < 0xe000) {
      code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
      length = 12;
    }
    std::string out;
    append_code(out, code);
    keep(out);
    at_.advance(length);
    return true;
  }
  static void append_code(std::string& out, std::uint32_t code) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80)
      out += static_cast<char>(code);
    else if (code < 0x800)
      out += static_cast<char>(0xc0 | code >> 6), tail(0);
    else if (code < 0x10000)
      out += static_cast<char>(0xe0 | code >> 12), tail(6), tail(0);
    else
      out += static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0);
  }

  Cursor at_;
  ConfigEvents& events_;
  Budget& budget_;
  JsonOutcome outcome_;
  std::vector<Level> open_;
  std::string buffer_;
  bool whole_ = true;
  std::uint64_t plain_count_ = 0;
};

}  // namespace

JsonOutcome stream_json(Reader& data, ConfigEvents& events, Budget& budget) {
  return JsonStream(data, events, budget).run();
}

}  // namespace hauberk::scan
