#include "registry/grants_audit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "registry/tokens.h"

namespace hauberk::registry {
namespace {

const TokenRecord token{"abcdefghijkl", Environment::dev, "ci", {{"read", "*"}}, Bytes(32, 7), Instant(), {}, {}};
const CustomRole role{Environment::dev, "tester", {{"read", "*"}}, "tries"};
const Binding binding{Environment::dev, "tess", "tester"};

class GrantsAuditTest : public testing::Test {
 protected:
  void begin(std::string_view operation, std::string_view target, std::string_view artifact = "",
             std::string_view reason = "") {
    put("intent", operation, target, artifact, reason, "begun");
  }
  void fail(std::string_view operation, std::string_view target, std::string_view artifact = "",
            std::string_view reason = "") {
    put("intent", operation, target, artifact, reason, "error");
  }
  void done(std::string_view kind, std::string_view target, std::string_view artifact = "",
            std::string_view reason = "") {
    put(kind, "", target, artifact, reason, "ok");
  }
  void put(std::string_view kind, std::string_view operation, std::string_view target, std::string_view artifact,
           std::string_view reason, std::string_view outcome) {
    json::Value record;
    record.set("kind", kind).set("target", target).set("outcome", outcome);
    if (!operation.empty()) record.set("operation", operation);
    if (!artifact.empty()) record.set("artifact", artifact);
    if (!reason.empty()) record.set("reason", reason);
    audit_.add(record);
  }
  std::size_t differences(GrantsAudit::Found found) { return audit_.differences(found).size(); }
  static TokenRecord revoked() {
    auto other = token;
    other.revoked = Instant();
    return other;
  }
  static TokenRecord wider() {
    auto other = token;
    other.scopes.push_back({"admin", "*"});
    return other;
  }

  GrantsAudit audit_;
  const std::string digest_ = digest_of(token).text();
};

TEST_F(GrantsAuditTest, knows_a_token_from_its_making_to_its_end) {
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 1u) << "nobody made it";
  begin("token.create", token.id, digest_);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 0u) << "killed after it was made";
  EXPECT_EQ(differences({}), 0u) << "killed before";
  EXPECT_EQ(differences({{wider()}, {}, {}, {}}), 1u);
  done("token.create", token.id, digest_);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 0u);
  EXPECT_EQ(differences({}), 1u);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {}}), 1u);
  begin("token.revoke", token.id);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 0u);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {}}), 0u);
  fail("token.revoke", token.id);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {}}), 1u);
  begin("token.revoke", token.id);
  done("token.revoke", token.id);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {}}), 0u);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 1u);
  begin("token.revoke", token.id);  // once more
  done("token.revoke", token.id);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {}}), 0u);
}

TEST_F(GrantsAuditTest, takes_a_failure_for_no_change) {
  begin("token.create", token.id, digest_);
  fail("token.create", token.id, digest_);
  EXPECT_EQ(differences({}), 0u);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 1u);
}

TEST_F(GrantsAuditTest, knows_roles_and_who_has_them) {
  const auto grants = digest_of(role).text();
  begin("access.define", role.name, grants);
  done("access.define", role.name, grants);
  begin("access.bind", binding.subject, "", binding.text());
  done("access.bind", binding.subject, "", binding.text());
  EXPECT_EQ(differences({{}, {role}, {binding}, {}}), 0u);
  EXPECT_EQ(differences({{}, {role}, {}, {}}), 1u);
  auto other = role;
  other.grants.push_back({"admin", "*"});
  EXPECT_EQ(differences({{}, {other}, {binding}, {}}), 1u);
  EXPECT_EQ(differences({{}, {role}, {binding, {Environment::dev, "tess", "admin"}}, {}}), 1u);
  begin("access.define", role.name, digest_of(other).text());
  EXPECT_EQ(differences({{}, {other}, {binding}, {}}), 0u);
  EXPECT_EQ(differences({{}, {role}, {binding}, {}}), 0u);
  done("access.define", role.name, digest_of(other).text());
  EXPECT_EQ(differences({{}, {role}, {binding}, {}}), 1u);
  done("access.unbind", binding.subject, "", binding.text());
  done("access.forget", role.name);
  EXPECT_EQ(differences({}), 0u);
  EXPECT_EQ(differences({{}, {other}, {}, {}}), 1u);
}

TEST_F(GrantsAuditTest, knows_of_events_of_release_0_1_that_the_thing_was_there_and_no_more) {
  done("init", token.id);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 0u);
  EXPECT_EQ(differences({{wider()}, {}, {}, {}}), 0u);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {}}), 1u);
  EXPECT_EQ(differences({}), 1u);
  done("token.revoke", token.id);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {}}), 0u);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 1u);
  const Revocation one{Environment::dev, Revocable::key, "ed25519:0123456789abcdef", "lost", Instant()};
  EXPECT_EQ(differences({{revoked()}, {}, {}, {one}}), 1u);
  done("revocation.add", one.value);
  EXPECT_EQ(differences({{revoked()}, {}, {}, {one}}), 0u);
}

TEST_F(GrantsAuditTest, knows_what_init_made_by_the_intent_before_it) {
  begin("token.create", token.id, digest_);
  done("init", token.id);
  EXPECT_EQ(differences({{token}, {}, {}, {}}), 0u);
  EXPECT_EQ(differences({{wider()}, {}, {}, {}}), 1u);
}

}  // namespace
}  // namespace hauberk::registry
