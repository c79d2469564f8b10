#include "core/exchange.h"

#include <gtest/gtest.h>

#include "core/event.h"

namespace hauberk {
namespace {

TEST(DataType, every_name_reads_back) {
  for (const std::string_view text : {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
                                      "FP16", "BF16", "FP32", "FP64", "BYTES"})
    EXPECT_EQ(name(*parse_data_type(text)), text);
  EXPECT_FALSE(parse_data_type("FLOAT"));
  EXPECT_EQ(size_of(DataType::fp64), 8u);
}

TEST(ElementCount, refuses_negative_dimensions_and_overflow) {
  EXPECT_EQ(*element_count({2, 3}), 6u);
  EXPECT_EQ(*element_count({}), 1u);
  EXPECT_EQ(*element_count({0, 1'000'000'000'000}), 0u);
  EXPECT_FALSE(element_count({-1, 2}));
  EXPECT_FALSE(element_count({1 << 30, 1 << 30, 1 << 30}));
}

TEST(Event, is_one_line_with_what_is_known_and_nothing_else) {
  Event event;
  event.time = *parse_rfc3339("2026-11-24T03:30:09.5Z");
  event.kind = "request";
  event.principal = "a\"b\n";
  event.status = 429;
  event.total = std::chrono::microseconds(1500);
  event.verdicts.push_back(
      {.guard = "rate_limit", .action = VerdictAction::throttle, .enforced = false, .reason = "rate"});
  event.features = {{"tokens", 3.5}, {"bad", std::numeric_limits<double>::infinity()}};
  std::string out;
  append_json(out, event);
  EXPECT_EQ(
      out,
      R"({"time":"2026-11-24T03:30:09.500Z","kind":"request","principal":"a\"b\n","status":429,"total_us":1500,)"
      R"("verdicts":[{"guard":"rate_limit","action":"throttle","reason":"rate","shadow":true}],"features":{"tokens":3.5}})");
  EXPECT_EQ(to_json(event).int_or("status", 0), 429);
}

TEST(Event, long_text_from_outside_is_cut) {
  Event event;
  event.target = std::string(10'000, 'x');
  std::string out;
  append_json(out, event);
  EXPECT_LT(out.size(), 400u);
}

}  // namespace
}  // namespace hauberk
