#include "net/sse.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hauberk::net {
namespace {

// The events of a stream that comes in pieces of that size, as "name|data".
std::vector<std::string> events_of(std::string_view stream, std::size_t piece, SseParser& parser) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    auto in = stream.substr(at, piece);
    SseEvent event;
    while (parser.feed(in, event)) events.push_back(event.event + "|" + event.data);
    EXPECT_TRUE(in.empty() || parser.broken());
  }
  return events;
}

void expect_events(std::string_view stream, const std::vector<std::string>& expected) {
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    SseParser parser;
    EXPECT_EQ(events_of(stream, piece, parser), expected) << "in pieces of " << piece;
    EXPECT_FALSE(parser.broken());
  }
}

TEST(SseParser, reads_every_line_ending_however_the_stream_is_cut) {
  expect_events("data: a\n\ndata: b\n\n", {"|a", "|b"});
  expect_events("data: a\r\n\r\ndata: b\r\n\r\n", {"|a", "|b"});
  expect_events("data: a\r\rdata: b\r\r", {"|a", "|b"});
  expect_events("data: a\r\n\ndata: b\n\r\n", {"|a", "|b"});
}

TEST(SseParser, joins_lines_of_data_and_keeps_the_name) {
  expect_events("event: delta\ndata: a\ndata:b\ndata\ndata:  c\n\n", {"delta|a\nb\n\n c"});
}

TEST(SseParser, passes_over_comments_and_other_fields) {
  expect_events(": ping\n\nid: 7\nretry: 10\ndata: a\nnonsense\n\n:\n\n", {"|a"});
}

TEST(SseParser, an_event_without_data_is_none_and_its_name_is_forgotten) {
  expect_events("event: x\n\ndata: a\n\n", {"|a"});
  expect_events("event: x\ndata: a\n\ndata: b\n\n", {"x|a", "|b"});
}

TEST(SseParser, an_empty_data_field_is_an_event) { expect_events("data:\n\n", {"|"}); }

TEST(SseParser, a_byte_order_mark_opens_the_stream_and_nothing_else) {
  expect_events(
      "\xef\xbb\xbf"
      "data: a\n\n",
      {"|a"});
  expect_events(
      "data: a\n\n\xef\xbb\xbf"
      "data: b\n\n",
      {"|a"});
}

TEST(SseParser, tells_whether_an_event_is_unfinished) {
  for (const std::string_view unfinished : {"data: a\n\nda", "data: a\n\ndata: b", "data: a\n\ndata: b\n"}) {
    SseParser parser;
    EXPECT_EQ(events_of(unfinished, 100, parser), std::vector<std::string>{"|a"});
    EXPECT_TRUE(parser.pending()) << unfinished;
  }
  SseParser parser;
  EXPECT_EQ(events_of("data: a\n\n", 100, parser).size(), 1u);
  EXPECT_FALSE(parser.pending());
}

TEST(SseParser, holds_at_most_one_event_of_the_size_allowed) {
  const auto broken = [](const std::string& stream, std::size_t piece) {
    SseParser parser(100);
    (void)events_of(stream, piece, parser);
    return parser.broken();
  };
  std::string lines, events;
  for (int i = 0; i < 20; ++i) lines += "data: 123456789\n";
  for (int i = 0; i < 20; ++i) events += "data: 123456789\n\n";
  for (const std::size_t piece : {1, 13, 4096}) {
    EXPECT_TRUE(broken("data: " + std::string(200, 'x'), piece)) << "a line without an end";
    EXPECT_TRUE(broken(lines, piece)) << "lines without an end";
    EXPECT_TRUE(broken(": " + std::string(200, 'x') + "\n", piece)) << "a comment without an end";
    EXPECT_FALSE(broken(events, piece)) << "many small events";
  }
}

TEST(SseParser, says_nothing_more_once_it_is_broken) {
  SseParser parser(10);
  (void)events_of(std::string(20, 'x'), 100, parser);
  ASSERT_TRUE(parser.broken());
  std::string_view in = "\n\ndata: a\n\n";
  SseEvent event;
  EXPECT_FALSE(parser.feed(in, event));
}

}  // namespace
}  // namespace hauberk::net
