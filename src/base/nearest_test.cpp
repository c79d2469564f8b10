#include "base/nearest.h"

#include <gtest/gtest.h>

#include <string>

namespace hauberk {
namespace {

TEST(Nearest, counts_insertions_deletions_substitutions_and_swaps) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("per_minut", "per_minute"), 1u);
  EXPECT_EQ(edit_distance("lisent", "listen"), 2u);
  EXPECT_EQ(edit_distance("gaurds", "guards"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, names_the_slip_and_nothing_far_away) {
  const std::string_view names[] = {"authn", "authz", "rate_limit", "shape"};
  EXPECT_EQ(nearest("rate_limits", names), "rate_limit");
  EXPECT_EQ(nearest("ratelimit", names), "rate_limit");
  EXPECT_EQ(nearest("auth", names), "authn") << "the first of several";
  EXPECT_EQ(nearest("injection", names), std::nullopt);
  EXPECT_EQ(nearest("", names), std::nullopt);
  EXPECT_EQ(nearest("rate_limit", {}), std::nullopt);
}

TEST(Nearest, long_names_are_not_compared) {
  const std::string name(65, 'a');
  const std::string_view names[] = {name};
  EXPECT_EQ(nearest(name, names), std::nullopt);
}

}  // namespace
}  // namespace hauberk
