#include "scan/jinja_lexer.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace hauberk::scan {

bool jinja_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

namespace {

bool jinja_digit(char c) { return c >= '0' && c <= '9'; }
// Names may hold letters of any script; their bytes are all above 0x7f.
bool jinja_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

void jinja_append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18 & 7));
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// \N{…} of the characters that names are made of; other names are not looked up.
bool jinja_named_character(std::string_view name, std::string& out) {
  std::string upper(name);
  for (auto& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  if (upper == "LOW LINE") return out += '_', true;
  for (const auto& [prefix, small] :
       {std::pair<std::string_view, bool>{"LATIN SMALL LETTER ", true}, {"LATIN CAPITAL LETTER ", false}})
    if (upper.size() == prefix.size() + 1 && upper.starts_with(prefix))
      return out += static_cast<char>(upper.back() | (small ? 0x20 : 0)), true;
  return false;
}

class JinjaLexer {
 public:
  JinjaLexer(std::string_view text, std::size_t limit) : text_(text), limit_(limit) {}

  // False with problem set at something that is no token.
  bool run() {
    while (at_ < text_.size())
      if (!outside()) return false;
    return true;
  }
  std::vector<JinjaToken> tokens;
  std::string problem;
  std::size_t problem_at = 0;

 private:
  bool fail(std::string what) {
    problem = std::move(what);
    problem_at = at_;
    return false;
  }
  void push(JinjaToken::Type type, std::size_t begin, std::size_t end) {
    tokens.push_back({type, false, false, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)});
  }
  bool sign(std::size_t at) const { return at < text_.size() && (text_[at] == '-' || text_[at] == '+'); }

  bool outside() {
    std::size_t open = at_;
    while (open = text_.find('{', open), open != std::string_view::npos) {
      if (open + 1 < text_.size() && (text_[open + 1] == '{' || text_[open + 1] == '%' || text_[open + 1] == '#'))
        break;
      ++open;
    }
    if (open == std::string_view::npos) open = text_.size();
    if (open > at_) push(JinjaToken::data, at_, open);
    at_ = open;
    if (at_ >= text_.size()) return true;
    const char kind = text_[at_ + 1];
    if (kind == '#') {
      const auto close = text_.find("#}", at_ + 2);
      if (close == std::string_view::npos) return fail("a comment is not closed");
      at_ = close + 2;
      return true;
    }
    if (kind == '%' && raw_block()) return problem.empty();
    push(kind == '%' ? JinjaToken::block_begin : JinjaToken::output_begin, at_, at_ + 2);
    at_ += 2;
    if (sign(at_)) tokens.back().trim_before = text_[at_++] == '-';
    return inside(kind == '%' ? "%}" : "}}", kind == '%' ? JinjaToken::block_end : JinjaToken::output_end);
  }

  // Finds "{%[-+]? word [-+]?%}" at `from`; its length or 0.
  std::size_t lone_tag(std::size_t from, std::string_view word) const {
    std::size_t i = from + 2;
    if (sign(i)) ++i;
    while (i < text_.size() && jinja_space(text_[i])) ++i;
    if (text_.substr(i, word.size()) != word) return 0;
    i += word.size();
    while (i < text_.size() && jinja_space(text_[i])) ++i;
    if (sign(i)) ++i;
    return text_.substr(i, 2) == "%}" ? i + 2 - from : 0;
  }
  bool raw_block() {
    const auto opening = lone_tag(at_, "raw");
    if (opening == 0) return false;
    const std::size_t begin = at_ + opening;
    for (std::size_t close = begin; close = text_.find("{%", close), close != std::string_view::npos; ++close) {
      const auto length = lone_tag(close, "endraw");
      if (length == 0) continue;
      if (close > begin) push(JinjaToken::data, begin, close);
      at_ = close + length;
      return true;
    }
    fail("a raw block is not closed");
    return true;
  }

  bool inside(std::string_view close, JinjaToken::Type closing) {
    std::string open;
    while (true) {
      while (at_ < text_.size() && jinja_space(text_[at_])) ++at_;
      if (at_ >= text_.size()) return fail("a tag is not closed");
      if (open.empty()) {
        const std::size_t skip = sign(at_) && text_.substr(at_ + 1, 2) == close ? 1 : 0;
        if (text_.substr(at_ + skip, 2) == close) {
          push(closing, at_, at_ + skip + 2);
          tokens.back().trim_after = skip != 0 && text_[at_] == '-';
          at_ += skip + 2;
          return true;
        }
      }
      if (tokens.size() > limit_) return fail("more tokens than any template has");
      const char c = text_[at_];
      const std::size_t begin = at_;
      if (jinja_name_start(c)) {
        while (at_ < text_.size() && (jinja_name_start(text_[at_]) || jinja_digit(text_[at_]))) ++at_;
        push(JinjaToken::name, begin, at_);
      } else if (jinja_digit(c)) {
        number();
        push(JinjaToken::number, begin, at_);
      } else if (c == '"' || c == '\'') {
        for (++at_; at_ < text_.size() && text_[at_] != c; ++at_)
          if (text_[at_] == '\\') ++at_;
        if (at_ >= text_.size()) return at_ = begin, fail("a text is not closed");
        push(JinjaToken::text, begin, ++at_);
      } else {
        const auto two = text_.substr(at_, 2);
        constexpr std::string_view pairs[] = {"//", "**", "==", "!=", ">=", "<="};
        const std::size_t length = std::find(std::begin(pairs), std::end(pairs), two) != std::end(pairs) ? 2 : 1;
        if (length == 1 && std::string_view("+-/*%~[](){}<>=.:|,;").find(c) == std::string_view::npos)
          return fail("a character that no expression holds");
        if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
        if (c == ')' || c == ']' || c == '}') {
          if (open.empty() || open.back() != c) return fail("brackets do not match");
          open.pop_back();
        }
        at_ += length;
        push(JinjaToken::op, begin, at_);
      }
    }
  }

  void number() {
    if (text_[at_] == '0' && at_ + 1 < text_.size() &&
        std::string_view("xXoObB").find(text_[at_ + 1]) != std::string_view::npos) {
      at_ += 2;
      while (at_ < text_.size() && (std::isxdigit(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
      return;
    }
    const auto digits = [&] {
      while (at_ < text_.size() && (jinja_digit(text_[at_]) || text_[at_] == '_')) ++at_;
    };
    // "x.1" and "1.x" are subscript and attribute: a point belongs to the number only between digits.
    const bool after_point = !tokens.empty() && tokens.back().type == JinjaToken::op &&
                             text_[tokens.back().offset] == '.' && tokens.back().length == 1;
    digits();
    if (after_point) return;
    if (at_ + 1 < text_.size() && text_[at_] == '.' && jinja_digit(text_[at_ + 1])) {
      ++at_;
      digits();
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      const std::size_t digit = at_ + 1 + (sign(at_ + 1) ? 1 : 0);
      if (digit < text_.size() && jinja_digit(text_[digit])) {
        at_ = digit;
        digits();
      }
    }
  }

  std::string_view text_;
  std::size_t limit_;
  std::size_t at_ = 0;
};

}  // namespace

bool unescape_jinja(std::string_view raw, std::string& out) {
  bool known = true;
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out += raw[i++];
      continue;
    }
    const char c = raw[i + 1];
    i += 2;
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits != 0) {
      std::uint32_t code = 0;
      const auto part = raw.substr(i, digits);
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), code, 16);
      if (error != std::errc{} || end != part.data() + digits || code > 0x10ffff) {
        known = false;
        continue;
      }
      jinja_append_utf8(out, code);
      i += digits;
    } else if (c >= '0' && c <= '7') {
      std::uint32_t code = 0;
      std::size_t n = 0;
      for (--i; n < 3 && i < raw.size() && raw[i] >= '0' && raw[i] <= '7'; ++n, ++i)
        code = code * 8 + static_cast<std::uint32_t>(raw[i] - '0');
      jinja_append_utf8(out, code);
    } else if (c == 'N') {
      const auto close = raw.find('}', i);
      if (i >= raw.size() || raw[i] != '{' || close == std::string_view::npos) {
        known = false;
        continue;
      }
      known = jinja_named_character(raw.substr(i + 1, close - i - 1), out) && known;
      i = close + 1;
    } else if (c != '\n') {
      constexpr std::string_view from = "abfnrtv", to = "\a\b\f\n\r\t\v";
      const auto at = from.find(c);
      if (at != std::string_view::npos)
        out += to[at];
      else if (c == '\\' || c == '\'' || c == '"')
        out += c;
      else
        out += '\\', out += c;
    }
  }
  return known;
}

std::int64_t jinja_integer(std::string_view spelled) {
  std::string digits;
  for (const char c : spelled)
    if (c != '_') digits += c;
  std::string_view rest = digits;
  int base = 10;
  if (rest.size() > 1 && rest[0] == '0') {
    const char kind = static_cast<char>(rest[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    if (base != 10) rest.remove_prefix(2);
  }
  if (rest.find_first_of(base == 10 ? ".eE" : ".") != std::string_view::npos) {
    double value = 0;
    std::from_chars(rest.data(), rest.data() + rest.size(), value);
    return value < 9e18 ? static_cast<std::int64_t>(value) : INT64_MAX;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
  return error == std::errc::result_out_of_range ? INT64_MAX : value;
}

JinjaTokens lex_jinja(std::string_view text, std::size_t limit) {
  JinjaLexer lexer(text, limit);
  lexer.run();
  return {std::move(lexer.tokens), std::move(lexer.problem), lexer.problem_at};
}

}  // namespace hauberk::scan
