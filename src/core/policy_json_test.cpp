#include <gtest/gtest.h>

#include "core/policy.h"
#include "crypto/signature.h"

namespace hauberk {
namespace {

TEST(PolicyFile, is_read_as_written) {
  const auto policy = policy_from_json(*json::parse(
      R"({"required":[{"evidence":"scan","where":{"/verdict":{"one_of":["CLEAN"]},"/rules":7},"max_age":"30d"},
                      {"evidence":"https://example.org/test/v2"}],
          "approvals":2,"self_approval":true})"));
  ASSERT_TRUE(policy) << policy.error().text();
  ASSERT_EQ(policy->required.size(), 2u);
  EXPECT_EQ(policy->required[0].predicate_type, predicate::scan);
  EXPECT_EQ(policy->required[0].conditions,
            (std::vector<Condition>{{"/verdict", Comparison::one_of, *json::parse(R"(["CLEAN"])")},
                                    {"/rules", Comparison::equal, json::Value(7)}}));
  EXPECT_EQ(policy->required[0].max_age, std::chrono::days(30));
  EXPECT_EQ(policy->required[1], (Requirement{"https://example.org/test/v2", {}, std::nullopt}));
  EXPECT_EQ(policy->approvals, 2u);
  EXPECT_TRUE(policy->self_approval);
}

TEST(PolicyFile, means_no_requirements_and_no_self_approval_where_nothing_is_said) {
  EXPECT_EQ(policy_from_json(json::Value::object()), Policy{});
  EXPECT_FALSE(Policy{}.self_approval);
}

TEST(PolicyFile, round_trips) {
  const auto policy = *policy_from_json(*json::parse(
      R"({"required":[{"evidence":"import"},
                      {"evidence":"scan","where":{"/n":{"greater_equal":1,"less":10},"/v":"x"},"max_age":"36h"}],"approvals":1})"));
  EXPECT_EQ(policy_from_json(to_json(policy)), policy);
}

TEST(PolicyFile, names_who_else_may_attest_what) {
  const auto key = crypto::SigningKey::generate(crypto::SignatureAlgorithm::ecdsa_p256);
  const auto text = [&](std::string_view may) {
    json::Value attestor;
    attestor.set("key", key.verifying().pem()).set("may", *json::parse(may));
    return json::Value().set("attestors", json::Value().push(std::move(attestor)));
  };
  const auto policy = policy_from_json(text(R"(["https://slsa.dev/provenance/v1"])"));
  ASSERT_TRUE(policy) << policy.error().text();
  EXPECT_EQ(policy->attestors, (std::vector<Attestor>{{key.verifying().pem(), {"https://slsa.dev/provenance/v1"}}}));
  EXPECT_EQ(policy_from_json(to_json(*policy)), policy);
  for (const auto* bad : {"[]", "\"x\"", R"(["provenance"])", R"(["https://hauberk.dev/approval/v1"])", "[7]"})
    EXPECT_EQ(policy_from_json(text(bad)).error().context, "/attestors/0/may") << bad;
  EXPECT_EQ(policy_from_json(*json::parse(R"({"attestors":[{"key":"x","may":["https://a"]}]})")).error().context,
            "/attestors/0/key");
}

TEST(PolicyFile, points_at_what_is_wrong) {
  const struct {
    std::string_view text, pointer;
  } cases[] = {
      {"[]", ""},
      {R"({"aprovals":1})", "/aprovals"},
      {R"({"approvals":-1})", "/approvals"},
      {R"({"approvals":1.5})", "/approvals"},
      {R"({"approvals":"1"})", "/approvals"},
      {R"({"approvals":101})", "/approvals"},
      {R"({"self_approval":"no"})", "/self_approval"},
      {R"({"required":{}})", "/required"},
      {R"({"required":["scan"]})", "/required/0"},
      {R"({"required":[{"evidence":"scan"},{}]})", "/required/1/evidence"},
      {R"({"required":[{"evidence":"scam"}]})", "/required/0/evidence"},
      {R"({"required":[{"evidence":"http://example.org/x"}]})", "/required/0/evidence"},
      {R"({"required":[{"evidence":7}]})", "/required/0/evidence"},
      {R"({"required":[{"evidence":"scan","max_age":30}]})", "/required/0/max_age"},
      {R"({"required":[{"evidence":"scan","max_age":"30"}]})", "/required/0/max_age"},
      {R"({"required":[{"evidence":"scan","max_age":"0s"}]})", "/required/0/max_age"},
      {R"({"required":[{"evidence":"scan","when":{}}]})", "/required/0/when"},
      {R"({"required":[{"evidence":"scan","where":[]}]})", "/required/0/where"},
      {R"({"required":[{"evidence":"scan","where":{"verdict":"CLEAN"}}]})", "/required/0/where/verdict"},
      {R"({"required":[{"evidence":"scan","where":{"/a/b":["CLEAN"]}}]})", "/required/0/where/~1a~1b"},
      {R"({"required":[{"evidence":"scan","where":{"/a":{}}}]})", "/required/0/where/~1a"},
      {R"({"required":[{"evidence":"scan","where":{"/a":{"is":1}}}]})", "/required/0/where/~1a/is"},
      {R"({"required":[{"evidence":"scan","where":{"/a":{"less":"x"}}}]})", "/required/0/where/~1a/less"},
      {R"({"required":[{"evidence":"scan","where":{"/a":{"one_of":"x"}}}]})", "/required/0/where/~1a/one_of"},
      {R"({"required":[{"evidence":"scan","where":{"/a":{"one_of":[]}}}]})", "/required/0/where/~1a/one_of"},
  };
  for (const auto& c : cases) {
    const auto policy = policy_from_json(*json::parse(c.text));
    ASSERT_FALSE(policy) << c.text;
    EXPECT_EQ(policy.error().code, Errc::invalid) << c.text;
    EXPECT_EQ(policy.error().context, c.pointer) << c.text;
    EXPECT_FALSE(policy.error().message.empty());
  }
}

}  // namespace
}  // namespace hauberk
