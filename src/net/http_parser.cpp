#include "net/http_parser.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace hauberk::net {
namespace {

constexpr std::array<bool, 256> token_table = [] {
  std::array<bool, 256> table{};
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    table[static_cast<std::uint8_t>(c)] = true;
  return table;
}();

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return token_table[static_cast<std::uint8_t>(c)]; });
}

// Field content: visible ASCII, space, tab and obs-text; no control characters.
bool is_field_value(std::string_view text) {
  bool good = true;  // without an early end, so that it is done sixteen at a time
  for (const char c : text) {
    const auto u = static_cast<std::uint8_t>(c);
    good &= (u == '\t') | ((u >= 0x20) & (u != 0x7f));
  }
  return good;
}

bool is_target(std::string_view text) {
  return text.starts_with('/') && std::ranges::all_of(text, [](char c) {
           const auto u = static_cast<std::uint8_t>(c);
           return u > 0x20 && u < 0x7f && u != '"' && u != '<' && u != '>' && u != '\\' && u != '^' && u != '`' &&
                  u != '{' && u != '|' && u != '}' && u != '#';
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool contains_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (same_name(trimmed(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

// Digits only, at most 15 of them: no sign, no list, no overflow.
std::optional<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 15) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// The end of the head (after its empty line) or 0. Bare LF and bare CR are found here, in one pass over new bytes.
enum class Search { incomplete, found, bad };
Search find_end(std::string_view buffer, std::size_t& scanned, std::size_t& end) {
  std::size_t at = scanned;
  while (true) {
    const auto* lf = at < buffer.size()
                         ? static_cast<const char*>(std::memchr(buffer.data() + at, '\n', buffer.size() - at))
                         : nullptr;
    if (lf == nullptr) {
      scanned = at;
      return Search::incomplete;
    }
    const auto place = static_cast<std::size_t>(lf - buffer.data());
    if (place == 0 || buffer[place - 1] != '\r') return Search::bad;
    if (place >= 3 && buffer[place - 2] == '\n' && buffer[place - 3] == '\r') {
      end = place + 1;
      return Search::found;
    }
    at = place + 1;
  }
}

bool fail(HttpFault& fault, int status, std::string_view reason) {
  fault = {status, reason};
  return false;
}

// The header lines; `lines` ends with the CRLF of the last one.
bool parse_headers(std::string_view lines, const HttpLimits& limits, HttpHead& head, HttpFault& fault) {
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    const auto line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    if (head.headers.size() == limits.headers) return fail(fault, 431, "too many headers");
    if (line.front() == ' ' || line.front() == '\t') return fail(fault, 400, "folded header lines are not accepted");
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
      return fail(fault, 400, "a header has no valid name");
    const auto value = trimmed(line.substr(colon + 1));
    if (!is_field_value(value)) return fail(fault, 400, "a header holds a control character");
    head.headers.push_back({line.substr(0, colon), value});
  }
  return true;
}

// Body framing and connection, common to requests and responses.
bool read_framing(HttpHead& head, HttpFault& fault) {
  bool length = false, chunked = false, close = false, keep = false;
  for (const auto& [name, value] : head.headers) {
    switch (name.size()) {
      case 10:
        if (same_name(name, "connection")) {
          close = close || contains_token(value, "close");
          keep = keep || contains_token(value, "keep-alive");
        }
        break;
      case 14:
        if (same_name(name, "content-length")) {
          const auto parsed = parse_length(value);
          if (!parsed) return fail(fault, 400, "Content-Length is no number");
          if (length) return fail(fault, 400, "Content-Length occurs twice");
          length = true;
          head.content_length = *parsed;
        }
        break;
      case 17:
        if (same_name(name, "transfer-encoding")) {
          if (chunked || !same_name(value, "chunked"))
            return fail(fault, 501, "the only transfer coding accepted is chunked, once");
          chunked = true;
        }
        break;
      default:
        break;
    }
  }
  if (chunked && length) return fail(fault, 400, "Content-Length and Transfer-Encoding exclude each other");
  if (chunked && head.minor_version == 0) return fail(fault, 400, "HTTP/1.0 has no transfer codings");
  head.framing = chunked ? Framing::chunked : length ? Framing::length : Framing::none;
  head.keep_alive = head.minor_version == 0 ? keep && !close : !close;
  return true;
}

void reset(HttpHead& head) {
  auto headers = std::move(head.headers);
  headers.clear();
  head = HttpHead{};
  head.headers = std::move(headers);
}

template <class ParseLine>
ParseState parse_head(std::string_view buffer, const HttpLimits& limits, std::size_t& scanned, HttpHead& head,
                      std::size_t& consumed, HttpFault& fault, ParseLine parse_line) {
  std::size_t end = 0;
  switch (find_end(buffer.substr(0, limits.head_bytes), scanned, end)) {
    case Search::bad:
      fault = {400, "a line does not end with CR LF"};
      return ParseState::bad;
    case Search::incomplete:
      if (buffer.size() < limits.head_bytes) return ParseState::incomplete;
      fault = {431, "the head is too large"};
      return ParseState::bad;
    case Search::found:
      break;
  }
  reset(head);
  const auto text = buffer.substr(0, end - 2);
  const auto first = text.find("\r\n");
  if (!parse_line(text.substr(0, first), head, fault) || !parse_headers(text.substr(first + 2), limits, head, fault) ||
      !read_framing(head, fault))
    return ParseState::bad;
  consumed = end;
  return ParseState::complete;
}

bool parse_version(std::string_view text, HttpHead& head) {
  if (text == "HTTP/1.1")
    head.minor_version = 1;
  else if (text == "HTTP/1.0")
    head.minor_version = 0;
  else
    return false;
  return true;
}

bool parse_request_line(std::string_view line, HttpHead& head, HttpFault& fault) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(fault, 400, "the request line is not valid");
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  if (!parse_version(line.substr(last + 1), head))
    return fail(fault, line.substr(last + 1).starts_with("HTTP/") ? 505 : 400,
                "only HTTP/1.1 and HTTP/1.0 are spoken here");
  if (head.method.size() > 16 || !is_token(head.method)) return fail(fault, 400, "the method is not valid");
  if (!is_target(head.target)) return fail(fault, 400, "the target must be a path");
  return true;
}

bool parse_status_line(std::string_view line, HttpHead& head, HttpFault& fault) {
  if (line.size() < 12 || !parse_version(line.substr(0, 8), head) || line[8] != ' ')
    return fail(fault, 502, "not an HTTP/1.1 response");
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return fail(fault, 502, "the status is no number");
    head.status = head.status * 10 + (c - '0');
  }
  if (head.status < 100 || head.status > 599 || (line.size() > 12 && line[12] != ' ') ||
      !is_field_value(line.substr(12)))
    return fail(fault, 502, "the status line is not valid");
  return true;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view HttpHead::find(std::string_view name) const {
  for (const auto& header : headers)
    if (same_name(header.name, name)) return header.value.data() != nullptr ? header.value : std::string_view("");
  return {};
}

std::size_t HttpHead::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(headers, [&](const HttpHeader& h) { return same_name(h.name, name); }));
}

ParseState parse_request_head(std::string_view buffer, const HttpLimits& limits, std::size_t& scanned, HttpHead& head,
                              std::size_t& consumed, HttpFault& fault) {
  const auto state = parse_head(buffer, limits, scanned, head, consumed, fault, parse_request_line);
  if (state != ParseState::complete) return state;
  const auto bad = [&](int status, std::string_view reason) {
    fault = {status, reason};
    return ParseState::bad;
  };
  const auto hosts = head.count("host");
  if (hosts > 1 || (hosts == 0 && head.minor_version == 1)) return bad(400, "exactly one Host header is needed");
  if (const auto expect = head.find("expect"); expect.data() != nullptr) {
    if (!same_name(expect, "100-continue")) return bad(417, "the expectation is not known");
    head.expect_continue = head.minor_version == 1;
  }
  return ParseState::complete;
}

ParseState parse_response_head(std::string_view buffer, const HttpLimits& limits, std::size_t& scanned, HttpHead& head,
                               std::size_t& consumed, HttpFault& fault) {
  const auto state = parse_head(buffer, limits, scanned, head, consumed, fault, parse_status_line);
  if (state == ParseState::bad) fault.status = 502;
  if (state != ParseState::complete) return state;
  const bool no_body = head.status < 200 || head.status == 204 || head.status == 304;
  if (no_body) {
    head.framing = Framing::none;
  } else if (head.framing == Framing::none) {
    head.framing = Framing::until_close;
    head.keep_alive = false;
  }
  return ParseState::complete;
}

bool ChunkedDecoder::feed(std::string_view& in, std::string_view& content) {
  constexpr std::size_t longest_size_line = 256, most_trailer_bytes = 4096;
  content = {};
  while (!in.empty() && state_ != State::done) {
    if (state_ == State::data) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
      content = in.substr(0, n);
      in.remove_prefix(n);
      left_ -= n;
      if (left_ == 0) state_ = State::data_cr;
      return true;
    }
    const char c = in.front();
    in.remove_prefix(1);
    switch (state_) {
      case State::size: {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit >= 0) {
          if (left_ >> 44 != 0) return false;
          left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
          any_digit_ = true;
        } else if (!any_digit_) {
          return false;
        } else if (c == '\r') {
          state_ = State::size_lf;
        } else if (c == ';') {
          state_ = State::size_extension;
        } else {
          return false;
        }
        if (++line_ > longest_size_line) return false;
        break;
      }
      case State::size_extension:
        if (c == '\r')
          state_ = State::size_lf;
        else if (static_cast<std::uint8_t>(c) < 0x20 && c != '\t')
          return false;
        if (++line_ > longest_size_line) return false;
        break;
      case State::size_lf:
        if (c != '\n') return false;
        line_ = 0;
        any_digit_ = false;
        state_ = left_ == 0 ? State::trailer_start : State::data;
        break;
      case State::data_cr:
        if (c != '\r') return false;
        state_ = State::data_lf;
        break;
      case State::data_lf:
        if (c != '\n') return false;
        state_ = State::size;
        break;
      case State::trailer_start:
        state_ = c == '\r' ? State::end_lf : State::trailer_line;
        if (c == '\n') return false;
        ++line_;
        break;
      case State::trailer_line:
        if (c == '\r')
          state_ = State::trailer_lf;
        else if (c == '\n')
          return false;
        if (++line_ > most_trailer_bytes) return false;
        break;
      case State::trailer_lf:
        if (c != '\n') return false;
        state_ = State::trailer_start;
        break;
      case State::end_lf:
        if (c != '\n') return false;
        state_ = State::done;
        break;
      case State::data:
      case State::done:
        break;
    }
  }
  return true;
}

}  // namespace hauberk::net
