#include "core/principal.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

TEST(Scope, allows_what_its_pattern_matches_and_nothing_else) {
  const struct {
    std::string_view scope, action, name;
    bool allowed;
  } cases[] = {
      {"infer:fraud", "infer", "fraud", true},
      {"infer:fraud", "infer", "fraud2", false},
      {"infer:fraud", "infer", "frau", false},
      {"infer:fraud", "read", "fraud", false},
      {"infer:fraud-*", "infer", "fraud-eu", true},
      {"infer:fraud-*", "infer", "fraud-", true},
      {"infer:fraud-*", "infer", "fraud", false},
      {"infer:*-eu", "infer", "fraud-eu", true},
      {"infer:*-eu", "infer", "fraud-eu-2", false},
      {"infer:a*b*c", "infer", "a-b-b-c", true},
      {"infer:a*b*c", "infer", "a-b", false},
      {"infer:a*a", "infer", "a", false},
      {"infer:**", "infer", "", true},
      {"infer", "infer", "anything", true},
      {"infer:*", "promote", "anything", false},
      {"admin", "revoke", "anything", true},
      {"admin:fraud-*", "revoke", "fraud-eu", true},
      {"admin:fraud-*", "revoke", "spam", false},
      {"read:x", "admin", "x", false},
      {"infer:fraud", "infer", "*", false},  // a star in the name asked for is no wildcard
      {"infer:fraud", "infer", "FRAUD", false},
  };
  for (const auto& c : cases) {
    const auto scope = Scope::parse(c.scope);
    ASSERT_TRUE(scope) << c.scope;
    EXPECT_EQ(scope->allows(c.action, c.name), c.allowed) << c.scope << " " << c.action << " " << c.name;
  }
}

TEST(Scope, stays_fast_on_a_pattern_full_of_stars) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "a*";
  const Scope scope{"infer", pattern + "b"};
  EXPECT_FALSE(scope.allows("infer", std::string(20'000, 'a')));
}

TEST(Scope, refuses_unknown_actions_and_odd_patterns) {
  for (const std::string bad :
       {"", ":", ":x", "Infer:x", "delete:x", "infer:", "infer: x", "infer:x\n", "infer:x;y", "infer :x", "*:*", "*"})
    EXPECT_FALSE(Scope::parse(bad)) << bad;
  EXPECT_FALSE(Scope::parse("infer:" + std::string(129, 'a')));
}

TEST(Scope, of_no_kind_does_not_cover_training_logs_and_intermediate_outputs) {
  const struct {
    std::string_view scope;
    ArtifactKind kind;
    bool allowed;
  } cases[] = {
      {"read:*", ArtifactKind::model, true},
      {"read:*", ArtifactKind::dataset, true},
      {"read:*", ArtifactKind::run_log, false},
      {"read:*", ArtifactKind::intermediate, false},
      {"read:run_log/*", ArtifactKind::run_log, true},
      {"read:run_log/*", ArtifactKind::model, false},
      {"read:run_log/other", ArtifactKind::run_log, false},
      {"read:*/*", ArtifactKind::intermediate, true},
      {"read:model/*", ArtifactKind::model, true},
      {"read:model/*", ArtifactKind::dataset, false},
      {"admin", ArtifactKind::run_log, true},
      {"admin:model/*", ArtifactKind::run_log, false},
  };
  for (const auto& c : cases) {
    const auto scope = Scope::parse(c.scope);
    ASSERT_TRUE(scope) << c.scope;
    EXPECT_EQ(scope->allows("read", "fraud", c.kind), c.allowed) << c.scope << " " << name(c.kind);
    EXPECT_EQ(*Scope::parse(scope->text()), *scope);
  }
  for (const std::string bad : {"read:logs/*", "read:/*", "read:run_log/", "read:run_log/a/b", "read:run_log"})
    EXPECT_EQ(Scope::parse(bad).has_value(), bad == "read:run_log") << bad;  // a model may be called run_log
}

TEST(Scope, text_round_trips) {
  for (const std::string_view text : {"infer:fraud-*", "admin:*", "token:ci@build"})
    EXPECT_EQ(Scope::parse(text)->text(), text);
  EXPECT_EQ(Scope::parse("ledger")->text(), "ledger:*");
}

TEST(Principal, may_do_nothing_without_a_grant) {
  const Principal nobody;
  for (const std::string_view action : {"infer", "read", "admin", ""}) EXPECT_FALSE(nobody.allowed(action, "x"));
}

TEST(Principal, may_do_what_any_of_its_grants_allows) {
  const Principal alice{"alice", "default", "", CredentialKind::local_user, {{"read", "*"}, {"promote", "fraud-*"}}};
  EXPECT_TRUE(alice.allowed("read", "spam"));
  EXPECT_TRUE(alice.allowed("promote", "fraud-eu"));
  EXPECT_FALSE(alice.allowed("promote", "spam"));
  EXPECT_FALSE(alice.allowed("revoke", "fraud-eu"));
}

TEST(Environment, names_round_trip_and_short_names_differ) {
  for (const auto environment : all_environments) EXPECT_EQ(parse_environment(name(environment)), environment);
  EXPECT_EQ(short_name(Environment::dev), "dev");
  EXPECT_EQ(short_name(Environment::staging), "stg");
  EXPECT_EQ(short_name(Environment::production), "prd");
  for (const std::string_view bad : {"", "prod", "Dev", "stg"}) EXPECT_FALSE(parse_environment(bad)) << bad;
}

TEST(Roles, are_lists_of_grants_that_can_be_narrowed_to_names) {
  EXPECT_EQ(*grants_of_role("validator"), (std::vector<Scope>{{"read", "*"}, {"infer", "*"}, {"approve", "*"}}));
  EXPECT_EQ(*grants_of_role("auditor:fraud-*"), (std::vector<Scope>{{"read", "fraud-*"}, {"ledger", "*"}}));
  EXPECT_EQ(grants_of_role("owner").error().code, Errc::invalid);
  EXPECT_EQ(grants_of_role("viewer:").error().code, Errc::invalid);
  for (const auto& role : roles()) EXPECT_TRUE(grants_of_role(role.name)) << role.name;
}

TEST(Roles, keep_duties_apart) {
  for (const auto& role : roles()) {
    if (role.name == "admin") continue;
    const Principal who{.subject = "x", .scopes = *grants_of_role(role.name)};
    EXPECT_FALSE(who.allowed("import", "m") && who.allowed("approve", "m")) << role.name;
    EXPECT_FALSE(who.allowed("approve", "m") && who.allowed("promote", "m")) << role.name;
    EXPECT_FALSE(who.allowed("token", "m")) << role.name;
  }
}

TEST(Roles, of_ones_own_are_narrowed_only_where_they_have_no_patterns) {
  const std::vector<CustomRole> own = {{Environment::dev, "tester", {{"read"}, {"ledger"}}, ""},
                                       {Environment::dev, "narrow", {{"import", "m"}}, ""}};
  EXPECT_EQ(*grants_of_role("tester:fraud-*", own), (std::vector<Scope>{{"read", "fraud-*"}, {"ledger", "*"}}));
  EXPECT_EQ(*grants_of_role("narrow", own), (std::vector<Scope>{{"import", "m"}}));
  EXPECT_EQ(grants_of_role("narrow:*", own).error().code, Errc::invalid);
  EXPECT_EQ(grants_of_role("tester").error().code, Errc::invalid);
}

TEST(Roles, keep_their_kind_when_they_are_narrowed) {
  const std::vector<CustomRole> own = {{Environment::dev, "logs", {{"read", "*", "run_log"}}, ""},
                                       {Environment::dev, "all", {{"read", "*", "*"}}, ""}};
  EXPECT_EQ(*grants_of_role("logs:fraud-*", own), (std::vector<Scope>{{"read", "fraud-*", "run_log"}}));
  EXPECT_EQ(*grants_of_role("logs:run_log/f", own), (std::vector<Scope>{{"read", "f", "run_log"}}));
  EXPECT_EQ(grants_of_role("logs:model/f", own).error().code, Errc::invalid);
  EXPECT_EQ(grants_of_role("logs:*/f", own).error().code, Errc::invalid);
  EXPECT_EQ(*grants_of_role("all:f", own), (std::vector<Scope>{{"read", "f", "*"}}));
  EXPECT_EQ(*grants_of_role("all:run_log/f", own), (std::vector<Scope>{{"read", "f", "run_log"}}));
}

TEST(Scope, of_one_kind_is_none_for_what_has_no_kind) {
  const auto may = [](std::string_view scope) {
    return Principal{.subject = "x", .scopes = {*Scope::parse(scope)}}.allowed("admin", "key", no_kind);
  };
  EXPECT_TRUE(may("admin:*"));
  EXPECT_TRUE(may("admin:key"));
  EXPECT_TRUE(may("admin:*/*"));
  EXPECT_FALSE(may("admin:model/*"));
  EXPECT_FALSE(may("admin:role"));
}

}  // namespace
}  // namespace hauberk
