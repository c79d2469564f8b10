#include "registry/rollback.h"

#include "support.h"

namespace hauberk::registry {
namespace {

class Rollback : public RegistryTest {
 protected:
  Result<RolledBack> back(std::optional<std::uint64_t> entry = {}) {
    return rollback(ports_, {Environment::production, "magika", entry, "errors rose"},
                    person("olaf", {"rollback:magika"}));
  }
  std::uint64_t current() { return catalog_->deployment(Environment::production, "magika")->current; }
};

TEST_F(Rollback, moves_the_pointer_to_the_entry_before_and_leaves_signed_evidence) {
  const auto first = in_production("magika", "one"), second = in_production("magika", "two");
  EXPECT_EQ(current(), 2u);
  const auto moved = back();
  ASSERT_TRUE(moved) << moved.error().text();
  EXPECT_EQ(moved->from.spec.version, 2u);
  EXPECT_EQ(moved->to.spec.version, 1u);
  EXPECT_EQ(current(), 1u);
  const auto verified = verified_evidence(*catalog_, second.manifest.digest(), ports_.keys);
  ASSERT_TRUE(verified);
  const auto& last = verified->good.back();
  EXPECT_EQ(last.statement.predicate_type, predicate::rollback);
  EXPECT_EQ(last.statement.issuer(), "olaf");
  EXPECT_EQ(last.statement.predicate.text_or("reason", ""), "errors rose");
  EXPECT_EQ(last.statement.predicate.text_or("to_artifact", ""), first.manifest.digest().text());
  EXPECT_EQ(verified->sealed_by.back(), Environment::production);
}

TEST_F(Rollback, goes_where_it_is_told_forward_too) {
  in_production("magika", "one");
  in_production("magika", "two");
  in_production("magika", "three");
  EXPECT_TRUE(back(1));
  EXPECT_EQ(current(), 1u);
  EXPECT_TRUE(back(3));
  EXPECT_EQ(current(), 3u);
  EXPECT_EQ(back(3).error().code, Errc::precondition);
  EXPECT_EQ(back(9).error().code, Errc::not_found);
}

TEST_F(Rollback, has_nowhere_to_go_from_the_first_entry) {
  in_production("magika", "one");
  EXPECT_EQ(back().error().code, Errc::precondition);
  EXPECT_EQ(current(), 1u);
}

TEST_F(Rollback, is_refused_to_a_revoked_version_and_names_what_would_do) {
  in_production("magika", "one");
  const auto second = in_production("magika", "two");
  in_production("magika", "three");
  ASSERT_TRUE(revoke(ports_, ref(second), "backdoor", person("rita", {"revoke:*"})));
  const auto refused = back();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::precondition);
  EXPECT_NE(refused.error().message.find("these entries would do: 1"), std::string::npos) << refused.error().message;
  EXPECT_EQ(current(), 3u);
  EXPECT_TRUE(back(1));
}

TEST_F(Rollback, is_refused_to_a_version_that_the_environment_no_longer_serves) {
  const auto first = in_production("magika", "one");
  in_production("magika", "two");
  ASSERT_TRUE(retire(ports_, ref(first), "old", paula_));
  EXPECT_EQ(back().error().code, Errc::precondition);
  EXPECT_EQ(current(), 2u);
}

TEST_F(Rollback, needs_its_grant_and_a_deployment) {
  in_production("magika", "one");
  in_production("magika", "two");
  EXPECT_EQ(
      rollback(ports_, {Environment::production, "magika", {}, ""}, person("eve", {"promote:*", "rollback:other"}))
          .error()
          .code,
      Errc::no_grant);
  EXPECT_EQ(rollback(ports_, {Environment::production, "none", {}, ""}, paula_).error().code, Errc::not_found);
  EXPECT_EQ(current(), 2u);
}

TEST_F(Rollback, works_for_upstreams) {
  const auto spec = [](std::string_view url) {
    return DeploymentSpec{"", 0, {}, json::Value::object().set("upstream", url)};
  };
  ASSERT_TRUE(deploy(ports_, Environment::production, "chat", spec("http://a"), "configuration", paula_));
  ASSERT_TRUE(deploy(ports_, Environment::production, "chat", spec("http://b"), "configuration", paula_));
  const auto moved = rollback(ports_, {Environment::production, "chat", {}, "b is down"}, paula_);
  ASSERT_TRUE(moved) << moved.error().text();
  EXPECT_EQ(catalog_->deployment(Environment::production, "chat")->current, 1u);
  EXPECT_EQ(catalog_->evidence(spec("http://b").digest())->size(), 1u);
}

class Revoke : public RegistryTest {};

TEST_F(Revoke, ends_a_version_and_names_the_deployments_that_serve_it) {
  const auto version = in_production("magika", "weights");
  const auto revoked = revoke(ports_, ref(version), "backdoor", person("rita", {"revoke:magika"}));
  ASSERT_TRUE(revoked) << revoked.error().text();
  ASSERT_EQ(revoked->versions.size(), 1u);
  EXPECT_EQ(catalog_->version(ref(version))->state, VersionState::revoked);
  ASSERT_EQ(revoked->deployments.size(), 2u);
  EXPECT_EQ(revoked->deployments[0].environment, Environment::staging);
  EXPECT_EQ(revoked->deployments[1].environment, Environment::production);
  EXPECT_EQ(revoked->deployments[1].name, "magika");
  EXPECT_EQ(load(version, Environment::production).error().code, Errc::precondition);
  EXPECT_EQ(revoke(ports_, ref(version), "again", paula_).error().code, Errc::precondition);
  EXPECT_EQ(record_scan(ports_, policies_, ref(version), report("CLEAN"), ian_).error().code, Errc::precondition);
}

TEST_F(Revoke, reaches_the_same_content_under_every_name_now_and_later) {
  const auto version = import("magika", "weights");
  const auto copy = import("copy", "weights");
  ASSERT_EQ(revoke(ports_, ref(version), "backdoor", paula_)->versions.size(), 2u);
  EXPECT_EQ(catalog_->version(ref(copy))->state, VersionState::revoked);
  const auto later = import("later", "weights");
  const auto result = scan(later, "CLEAN");
  EXPECT_FALSE(result.decision.allow);
  EXPECT_EQ(catalog_->version(ref(later))->state, VersionState::quarantined);
}

TEST_F(Revoke, needs_the_grant_for_every_name_and_a_reason) {
  const auto version = import("magika", "weights");
  import("copy", "weights");
  EXPECT_EQ(revoke(ports_, ref(version), "backdoor", person("eve", {"revoke:magika"})).error().code, Errc::no_grant);
  EXPECT_EQ(revoke(ports_, ref(version), "", paula_).error().code, Errc::invalid);
  EXPECT_EQ(catalog_->version(ref(version))->state, VersionState::quarantined);
}

}  // namespace
}  // namespace hauberk::registry
