#include "net/http_parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

// The cases are data: tests/cases/http/*.txt. A case has a name, what is expected of it as one line, and its bytes, in
// which \r \n \t \0 \\ \xHH are escapes and \*N(text) stands for N times text.
namespace hauberk::net {
namespace {

struct WireCase {
  std::string file, name, expected, bytes;
};

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (text.at(++i)) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case '\\':
        out += '\\';
        break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)), i += 2;
        break;
      case '*': {
        const auto open = text.find('(', i), close = text.find(')', open);
        const auto piece = unescaped(text.substr(open + 1, close - open - 1));
        for (int n = std::stoi(std::string(text.substr(i + 1, open - i - 1))); n > 0; --n) out += piece;
        i = close;
        break;
      }
      default:
        ADD_FAILURE() << "an unknown escape in " << text;
    }
  }
  return out;
}

std::vector<WireCase> wire_cases(const std::string& file) {
  std::ifstream in(HAUBERK_SOURCE_DIR "/tests/cases/http/" + file);
  EXPECT_TRUE(in.is_open()) << file;
  std::vector<WireCase> cases;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("case: "))
      cases.push_back({.file = file, .name = line.substr(6), .expected = {}, .bytes = {}});
    else if (line.starts_with("expect: "))
      cases.back().expected = line.substr(8);
    else if (line.starts_with("bytes: "))
      cases.back().bytes = unescaped(std::string_view(line).substr(7));
  }
  EXPECT_GT(cases.size(), 5u) << file;
  return cases;
}

// Small, so that the cases can be.
constexpr HttpLimits small_limits{.head_bytes = 1024, .headers = 20};

std::string framing_text(const HttpHead& head) {
  switch (head.framing) {
    case Framing::none:
      return "none";
    case Framing::length:
      return fmt::format("length:{}", head.content_length);
    case Framing::chunked:
      return "chunked";
    case Framing::until_close:
      return "until-close";
  }
  return "?";
}

// Parses the bytes as they would come in: the first `first` at once, then `step` by `step`.
template <class Parse, class Describe>
std::string outcome(std::string_view bytes, std::size_t first, std::size_t step, Parse parse, Describe describe) {
  HttpHead head;
  HttpFault fault;
  std::size_t scanned = 0, consumed = 0;
  for (std::size_t size = std::min(first, bytes.size());; size = std::min(size + step, bytes.size())) {
    // An exact copy: a view past its end is seen by the address sanitizer.
    const std::vector<char> so_far(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto state = parse({so_far.data(), so_far.size()}, small_limits, scanned, head, consumed, fault);
    if (state != ParseState::incomplete) return describe(state, head, fault);
    if (size == bytes.size()) return "incomplete";
  }
}

template <class Parse, class Describe>
void check_heads(const std::string& file, Parse parse, Describe describe) {
  for (const auto& one : wire_cases(file)) {
    SCOPED_TRACE(one.file + ": " + one.name);
    EXPECT_EQ(outcome(one.bytes, one.bytes.size(), 1, parse, describe), one.expected);
    EXPECT_EQ(outcome(one.bytes, 0, 1, parse, describe), one.expected) << "byte by byte";
    for (std::size_t split = 0; split < one.bytes.size(); split += 1 + split / 64)
      EXPECT_EQ(outcome(one.bytes, split, one.bytes.size(), parse, describe), one.expected)
          << "in two pieces, the first of " << split;
  }
}

std::string describe_request(ParseState state, const HttpHead& head, const HttpFault& fault) {
  if (state == ParseState::bad) return fmt::format("{} {}", fault.status, fault.reason);
  return fmt::format("{} {} body={} {}{}", head.method, head.target, framing_text(head),
                     head.keep_alive ? "keep-alive" : "close", head.expect_continue ? " expects-continue" : "");
}

TEST(HttpParser, reads_good_request_heads_however_they_are_cut) {
  check_heads("requests_good.txt", parse_request_head, describe_request);
}

TEST(HttpParser, refuses_bad_request_heads_however_they_are_cut) {
  check_heads("requests_bad.txt", parse_request_head, describe_request);
}

TEST(HttpParser, reads_response_heads_strictly) {
  check_heads("responses.txt", parse_response_head, [](ParseState state, const HttpHead& head, const HttpFault& fault) {
    if (state == ParseState::bad) return fmt::format("bad {} {}", fault.status, fault.reason);
    return fmt::format("{} body={} {}", head.status, framing_text(head), head.keep_alive ? "keep-alive" : "close");
  });
}

TEST(HttpParser, consumes_the_head_and_nothing_behind_it) {
  const std::string first = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string both = first + "GET /b HTTP/1.1\r\nHost: b\r\n\r\n";
  HttpHead head;
  HttpFault fault;
  std::size_t scanned = 0, consumed = 0;
  ASSERT_EQ(parse_request_head(both, {}, scanned, head, consumed, fault), ParseState::complete);
  EXPECT_EQ(consumed, first.size());
  scanned = 0;
  ASSERT_EQ(parse_request_head(std::string_view(both).substr(consumed), {}, scanned, head, consumed, fault),
            ParseState::complete);
  EXPECT_EQ(head.target, "/b");
  EXPECT_EQ(head.headers.size(), 1u);
}

TEST(HttpParser, a_head_is_used_again_without_a_trace_of_the_last_one) {
  HttpHead head;
  HttpFault fault;
  std::size_t scanned = 0, consumed = 0;
  ASSERT_EQ(parse_request_head("POST /a HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\n\r\n", {}, scanned, head,
                               consumed, fault),
            ParseState::complete);
  scanned = 0;
  ASSERT_EQ(parse_request_head("GET /b HTTP/1.1\r\nHost: a\r\n\r\n", {}, scanned, head, consumed, fault),
            ParseState::complete);
  EXPECT_EQ(describe_request(ParseState::complete, head, fault), "GET /b body=none keep-alive");
  EXPECT_EQ(head.content_length, 0u);
  EXPECT_FALSE(head.has("x"));
}

TEST(HttpHead, finds_values_without_case_and_tells_empty_from_missing) {
  HttpHead head;
  HttpFault fault;
  std::size_t scanned = 0, consumed = 0;
  const std::string_view text = "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-one: 2\r\nEmpty:\r\n\r\n";
  ASSERT_EQ(parse_request_head(text, {}, scanned, head, consumed, fault), ParseState::complete);
  EXPECT_EQ(head.find("x-ONE"), "1");
  EXPECT_EQ(head.count("X-One"), 2u);
  EXPECT_TRUE(head.has("empty"));
  EXPECT_EQ(head.find("empty"), "");
  EXPECT_FALSE(head.has("missing"));
  EXPECT_FALSE(head.has("x-on"));
}

std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += c == '\r' ? "\\r" : c == '\n' ? "\\n" : std::string(1, c);
  return out + "\"";
}

std::string decoded(std::string_view bytes, std::size_t piece) {
  ChunkedDecoder decoder;
  std::string content;
  std::size_t left = bytes.size();
  for (std::size_t at = 0; at < bytes.size() && !decoder.done(); at += piece) {
    const auto text = bytes.substr(at, piece);
    const std::vector<char> copy(text.begin(), text.end());
    std::string_view in(copy.data(), copy.size()), some;
    while (!in.empty() && !decoder.done()) {
      const auto before = in.size();
      if (!decoder.feed(in, some)) return "broken";
      if (in.size() == before) return "it does not get on";
      content += some;
    }
    left = bytes.size() - at - copy.size() + in.size();
  }
  return decoder.done() ? fmt::format("done {} and {} left", shown(content), left) : "incomplete " + shown(content);
}

TEST(ChunkedDecoder, decodes_strictly_however_the_body_is_cut) {
  for (const auto& one : wire_cases("chunked.txt")) {
    SCOPED_TRACE(one.name);
    for (const std::size_t piece :
         {std::max<std::size_t>(1, one.bytes.size()), std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}})
      EXPECT_EQ(decoded(one.bytes, piece), one.expected) << "in pieces of " << piece;
  }
}

}  // namespace
}  // namespace hauberk::net
