#include "core/version_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace hauberk {
namespace {

using enum VersionState;
constexpr VersionState all[] = {quarantined, scanned, approved, staging, production, retired, revoked};

TEST(VersionState, has_one_way_up_and_revocation_from_everywhere) {
  const std::set<std::pair<VersionState, VersionState>> ways = {
      {quarantined, scanned}, {scanned, approved},    {approved, staging}, {staging, production},
      {production, retired},  {quarantined, revoked}, {scanned, revoked},  {approved, revoked},
      {staging, revoked},     {production, revoked},  {retired, revoked}};
  for (const auto from : all)
    for (const auto to : all)
      EXPECT_EQ(find_transition(from, to).has_value(), ways.contains({from, to})) << name(from) << " -> " << name(to);
  EXPECT_EQ(transitions().size(), ways.size());
}

TEST(VersionState, each_step_names_a_grant_and_what_it_needs) {
  for (const auto& step : transitions()) {
    EXPECT_FALSE(step.action.empty());
    EXPECT_FALSE(step.needs.empty());
    EXPECT_EQ(step.to == revoked, step.action == "revoke");
  }
}

TEST(VersionState, a_refused_step_says_which_one_comes_first) {
  const auto skipped = find_transition(quarantined, production);
  ASSERT_FALSE(skipped);
  EXPECT_EQ(skipped.error().code, Errc::precondition);
  EXPECT_EQ(skipped.error().message,
            "a version that is quarantined cannot become production; it must be staging first; the next step from here "
            "is scanned or revoked");
  EXPECT_EQ(
      find_transition(revoked, staging).error().message,
      "a version that is revoked cannot become staging; it must be approved first; nothing leads out of this state");
}

TEST(VersionState, names_round_trip) {
  for (const auto state : all) EXPECT_EQ(parse_version_state(name(state)), state);
  EXPECT_FALSE(parse_version_state("Production"));
  EXPECT_FALSE(parse_version_state(""));
}

}  // namespace
}  // namespace hauberk
