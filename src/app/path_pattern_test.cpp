#include "app/path_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace hauberk::app {
namespace {

TEST(PathPattern, matches_as_shells_do) {
  struct Case {
    const char *pattern, *path;
    bool matches;
  };
  static const Case cases[] = {
      {"*.pt", "a.pt", true},
      {"*.pt", "deep/er/a.pt", true},  // no slash: the last part alone
      {"*.pt", "a.pth", false},
      {"models/*.pt", "models/a.pt", true},
      {"models/*.pt", "models/x/a.pt", false},
      {"models/**/*.pt", "models/x/y/a.pt", true},
      {"models/**/*.pt", "models/a.pt", true},
      {"models/**", "models/x/y", true},
      {"**/a.pt", "x/y/a.pt", true},
      {"**/a.pt", "a.pt", true},
      {"a?.pt", "ab.pt", true},
      {"a?.pt", "a/.pt", false},
      {"[a-c]1", "b1", true},
      {"[a-c]1", "d1", false},
      {"[!a-c]1", "d1", true},
      {"[", "[", true},
      {"./x/a", "x/a", true},
      {"tests/", "tests", true},
      {"", "", true},
      {"", "a", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(matches_pattern(c.pattern, c.path), c.matches) << c.pattern << " and " << c.path;
}

TEST(PathPattern, no_pattern_is_slow) {
  std::string stars;
  for (int i = 0; i < 200; ++i) stars += "*a";
  EXPECT_FALSE(matches_pattern(stars, std::string(2000, 'a') + "b"));
}

}  // namespace
}  // namespace hauberk::app
