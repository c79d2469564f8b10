#include "app/isolate_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hauberk::app {
namespace {

void feed(FrameBuffer& buffer, ByteView bytes) {
  const auto room = buffer.room(bytes.size());
  std::ranges::copy(bytes, room.begin());
  buffer.received(bytes.size());
}

TEST(FrameBuffer, puts_frames_together_whatever_the_pieces) {
  Bytes stream;
  append_frame(stream, FrameType::report, as_bytes("first"));
  append_frame(stream, FrameType::read, {});
  append_frame(stream, FrameType::report, as_bytes(std::string(70'000, 'x')));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, stream.size()}) {
    FrameBuffer buffer;
    std::vector<std::pair<FrameType, std::string>> frames;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      feed(buffer, ByteView(stream).subspan(at, std::min(piece, stream.size() - at)));
      for (auto frame = buffer.next(); frame && *frame; frame = buffer.next())
        frames.emplace_back((*frame)->type, as_text((*frame)->payload));
    }
    ASSERT_EQ(frames.size(), 3) << piece;
    EXPECT_EQ(frames[0], std::pair(FrameType::report, std::string("first")));
    EXPECT_EQ(frames[1], std::pair(FrameType::read, std::string()));
    EXPECT_EQ(frames[2].second.size(), 70'000);
  }
}

TEST(FrameBuffer, refuses_a_frame_longer_than_allowed_before_it_comes) {
  FrameBuffer buffer;
  Bytes head(8);
  store_le(head.data(), static_cast<std::uint32_t>(max_frame + 1));
  feed(buffer, head);
  const auto frame = buffer.next();
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().code, Errc::corrupt);
}

TEST(ReadRequest, lies_inside_of_the_data_or_is_refused) {
  const auto parse = [](std::uint64_t offset, std::uint32_t length, std::uint64_t size) {
    return ReadRequest::parse(ReadRequest{offset, length}.encode(), size).has_value();
  };
  EXPECT_TRUE(parse(0, 1, 1));
  EXPECT_TRUE(parse(99, 1, 100));
  EXPECT_TRUE(parse(0, max_read, max_read));
  EXPECT_FALSE(parse(0, 0, 100));
  EXPECT_FALSE(parse(100, 1, 100));
  EXPECT_FALSE(parse(99, 2, 100));
  EXPECT_FALSE(parse(UINT64_MAX, 1, 100));
  EXPECT_FALSE(parse(UINT64_MAX - 1, 4, UINT64_MAX));
  EXPECT_FALSE(parse(0, max_read + 1, UINT64_MAX));
  EXPECT_FALSE(ReadRequest::parse(Bytes(11), 100));
}

TEST(ScanRequest, keeps_the_bytes_of_a_path) {
  const auto request = ScanRequest::parse(ScanRequest{UINT64_MAX, "a\xff\n!b", true}.encode());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->size, UINT64_MAX);
  EXPECT_EQ(request->path, "a\xff\n!b");
  EXPECT_FALSE(ScanRequest::parse(Bytes(7)));
}

TEST(WorkerSettings, come_back_as_they_were_sent) {
  WorkerSettings sent{.memory = 1, .time_limit = std::chrono::milliseconds(1500), .hash = true};
  sent.limits = {.bytes_out = 2, .ratio = 3, .depth = 4, .entries = 5, .opcodes = 6, .memory = 7, .findings = 8};
  const auto got = WorkerSettings::parse(sent.encode());
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->encode(), sent.encode());
  EXPECT_EQ(got->limits.findings, 8);
  EXPECT_FALSE(WorkerSettings::parse("{}"));
}

TEST(Layers, come_back_as_they_were_sent) {
  const std::vector<LayerState> sent = {{"seccomp", true, "x"}, {"landlock", false, "\"none\""}};
  const auto got = parse_layers(encode_layers(sent));
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, sent);
  for (const auto* text : {"", "{}", "[1]", "[{\"name\":\"seccomp\"}]", "[{\"active\":1}]"})
    EXPECT_FALSE(parse_layers(text)) << text;
}

}  // namespace
}  // namespace hauberk::app
