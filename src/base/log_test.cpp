#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"

namespace hauberk::log {
namespace {

TEST(Log, lines_are_json_with_cleaned_fields) {
  configure(Level::info, Format::json);
  ::testing::internal::CaptureStderr();
  info("model loaded", {{"name", "a\"b\x1b[31m"}});
  debug("not shown");
  const auto text = ::testing::internal::GetCapturedStderr();
  const auto line = json::parse(std::string_view(text).substr(0, text.find('\n')));
  ASSERT_TRUE(line) << text;
  EXPECT_EQ(line->text_or("message", ""), "model loaded");
  EXPECT_EQ(line->text_or("level", ""), "info");
  EXPECT_EQ(line->text_or("name", ""), "a\"b\x1b[31m");
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(Log, one_call_site_cannot_fill_the_disk) {
  configure(Level::info, Format::json);
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 10'000; ++i) warning("again");
  const auto text = ::testing::internal::GetCapturedStderr();
  // Ten a second; the loop may straddle a few seconds on a busy machine.
  EXPECT_LE(std::ranges::count(text, '\n'), 100);
  EXPECT_GE(std::ranges::count(text, '\n'), 10);
}

}  // namespace
}  // namespace hauberk::log
