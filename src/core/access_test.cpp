#include "core/access.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

Principal with(std::string_view scope) {
  return {.subject = "somebody", .credential = CredentialKind::api_token, .scopes = {*Scope::parse(scope)}};
}

TEST(Access, asks_for_the_grant_over_the_name) {
  constexpr auto access = Access::either("read", "infer", "the model");
  EXPECT_TRUE(access.allows(with("infer:fraud"), "fraud"));
  EXPECT_TRUE(access.allows(with("admin:*"), "fraud"));
  EXPECT_FALSE(access.allows(with("infer:fraud"), "other"));
  EXPECT_FALSE(access.allows(with("promote:*"), "fraud"));
  EXPECT_TRUE(access.thinkable(with("infer:fraud")));
  EXPECT_FALSE(access.thinkable(with("promote:*")));
  EXPECT_EQ(access.text(), "read or infer");
}

TEST(Access, of_anybody_and_of_whoever_is_known_differ) {
  EXPECT_TRUE(Access::anybody("it is public").allows({}, "x"));
  EXPECT_FALSE(Access::known("its own part").allows({}, "x"));
  EXPECT_FALSE(Access::known("its own part").thinkable({}));
  EXPECT_TRUE(Access::known("its own part").allows(with("token:nobody"), "x"));
  EXPECT_EQ(Access::known("").text(), "any token");
  EXPECT_EQ(Access::anybody("").text(), "nothing");
}

}  // namespace
}  // namespace hauberk
