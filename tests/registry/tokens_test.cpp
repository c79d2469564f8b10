#include "registry/tokens.h"

#include "core/token_table.h"
#include "crypto/token.h"
#include "support.h"

namespace hauberk::registry {
namespace {

class Tokens : public RegistryTest {
 protected:
  Result<CreatedToken> create(std::string subject, std::initializer_list<std::string_view> scopes, const Principal& by,
                              std::optional<Duration> lifetime = {}) {
    TokenRequest request{Environment::dev, std::move(subject), {}, lifetime};
    for (const auto scope : scopes) request.scopes.push_back(*Scope::parse(scope));
    return create_token(ports_, random_, request, by);
  }
  const Principal admin_ = person("root", {"admin:*"});
};

TEST_F(Tokens, lets_its_bearer_in_and_is_kept_as_an_hmac_only) {
  const auto created = create("ci", {"infer:fraud-*"}, admin_, std::chrono::hours(1));
  ASSERT_TRUE(created) << created.error().text();
  const std::string text(crypto::presented(created->text));
  EXPECT_EQ(created->record.expires, clock_.now() + std::chrono::hours(1));
  const auto records = *catalog_->tokens(Environment::dev);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(as_text(records[0].mac).find(text.substr(21, 8)), std::string::npos);

  const TokenTable table(Environment::dev, records, std::move(keys_[0]));
  const auto principal = table.verify(text, clock_.now());
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->subject, "ci");
  EXPECT_FALSE(table.verify(text, clock_.now() + std::chrono::hours(1)));
}

TEST_F(Tokens, cannot_grant_more_than_their_maker_has) {
  const auto team = person("lead", {"token:*", "infer:fraud-*", "read"});
  EXPECT_TRUE(create("ci", {"infer:fraud-*"}, team));
  EXPECT_TRUE(create("ci", {"infer:fraud-eu-*", "read:anything"}, team));
  for (const std::string_view beyond :
       {"infer:*", "infer:fraud*", "infer:*fraud-", "infer:spam", "promote:fraud-x", "admin:fraud-x", "token:*"}) {
    if (beyond == "token:*") continue;  // that one they have
    EXPECT_EQ(create("ci", {beyond}, team).error().code, Errc::no_grant) << beyond;
  }
  EXPECT_TRUE(create("ci", {"token:*"}, team));
  EXPECT_EQ(create("ci", {"infer:fraud-*", "admin"}, team).error().code, Errc::no_grant);
  EXPECT_TRUE(create("root2", {"admin"}, admin_));
}

TEST_F(Tokens, are_made_for_subjects_within_the_grant_only) {
  const auto team = person("lead", {"token:ci-*", "infer"});
  EXPECT_TRUE(create("ci-build", {"infer"}, team));
  EXPECT_EQ(create("alice", {"infer"}, team).error().code, Errc::no_grant);
  EXPECT_EQ(create("ci-build", {"infer"}, person("eve", {"infer"})).error().code, Errc::no_grant);
}

TEST_F(Tokens, refuse_odd_subjects_no_scopes_and_no_lifetime) {
  for (const std::string bad : {"", "a b", "a\nb", "os:root", "*"})
    EXPECT_EQ(create(bad, {"infer"}, admin_).error().code, Errc::invalid) << bad;
  EXPECT_EQ(create("ci", {}, admin_).error().code, Errc::invalid);
  EXPECT_EQ(create("ci", {"infer"}, admin_, Duration(0)).error().code, Errc::invalid);
  EXPECT_TRUE(catalog_->tokens(Environment::dev)->empty());
}

TEST_F(Tokens, tell_who_made_them_and_the_token_they_were_made_with) {
  const auto lead = create("lead", {"token:*", "read"}, admin_);
  ASSERT_TRUE(lead);
  EXPECT_EQ(lead->record.made_by, std::vector<std::string>{"root"});
  auto maker = person("lead", {"token:*", "read"});
  maker.made_by = lead->record.made_by;
  EXPECT_EQ(create("ci", {"read"}, maker)->record.made_by, (std::vector<std::string>{"lead", "root"}));
  maker.made_by.assign(8, "x");
  EXPECT_EQ(create("ci", {"read"}, maker).error().code, Errc::no_grant);
}

TEST_F(Tokens, stand_for_one_spelling_of_a_name) {
  ASSERT_TRUE(create("alice", {"read"}, admin_));
  EXPECT_EQ(create("Alice", {"read"}, admin_).error().code, Errc::invalid);
  EXPECT_EQ(bind_role(ports_, {Environment::dev, "ALICE", "viewer"}, admin_).error().code, Errc::invalid);
  ASSERT_TRUE(bind_role(ports_, {Environment::dev, "bob", "viewer"}, admin_));
  EXPECT_EQ(create("Bob", {"read"}, admin_).error().code, Errc::invalid);
  EXPECT_TRUE(create("bob", {"read"}, admin_));
}

TEST_F(Tokens, are_listed_and_revoked_within_the_grant) {
  const auto one = create("ci-build", {"infer"}, admin_), two = create("alice", {"infer"}, admin_);
  const auto team = person("lead", {"token:ci-*"});
  EXPECT_EQ(list_tokens(ports_, Environment::dev, admin_)->size(), 2u);
  const auto seen = list_tokens(ports_, Environment::dev, team);
  ASSERT_EQ(seen->size(), 1u);
  EXPECT_EQ(seen->front().subject, "ci-build");
  EXPECT_EQ(list_tokens(ports_, Environment::dev, person("eve", {"infer"})).error().code, Errc::no_grant);
  EXPECT_TRUE(list_tokens(ports_, Environment::production, admin_)->empty());

  EXPECT_EQ(revoke_token(ports_, Environment::dev, two->record.id, team).error().code, Errc::no_grant);
  EXPECT_EQ(revoke_token(ports_, Environment::dev, "000000000000", team).error().code, Errc::no_grant);
  EXPECT_EQ(revoke_token(ports_, Environment::dev, "000000000000", admin_).error().code, Errc::not_found);
  EXPECT_EQ(revoke_token(ports_, Environment::production, one->record.id, admin_).error().code, Errc::not_found);
  const auto revoked = revoke_token(ports_, Environment::dev, one->record.id, team);
  ASSERT_TRUE(revoked);
  EXPECT_EQ(revoked->revoked, clock_.now());
  const TokenTable table(Environment::dev, *catalog_->tokens(Environment::dev), std::move(keys_[0]));
  EXPECT_FALSE(table.verify(crypto::presented(one->text), clock_.now()));
  EXPECT_TRUE(table.verify(crypto::presented(two->text), clock_.now()));
}

}  // namespace
}  // namespace hauberk::registry
