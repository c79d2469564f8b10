#include "core/deployment.h"

#include <gtest/gtest.h>

namespace hauberk {
namespace {

DeploymentSpec spec_with(std::string_view config) {
  return {"magika", 3, crypto::sha256(as_bytes("x")), *json::parse(config)};
}

TEST(DeploymentSpec, comes_back_from_json) {
  const auto spec = spec_with(R"({"guards":["authn",{"rate_limit":{"per_minute":60}}]})");
  EXPECT_EQ(DeploymentSpec::from_json(spec.to_json()), spec);
  const DeploymentSpec upstream{"", 0, {}, *json::parse(R"({"upstream":"http://127.0.0.1:1"})")};
  EXPECT_EQ(DeploymentSpec::from_json(upstream.to_json()), upstream);
}

TEST(DeploymentSpec, refuses_json_that_is_not_exactly_a_state) {
  const auto good = spec_with("{}").to_json();
  for (const std::string_view member : {"model", "version", "artifact", "config"}) {
    auto value = good;
    value.erase(member);
    EXPECT_FALSE(DeploymentSpec::from_json(value)) << member;
  }
  auto extra = good;
  EXPECT_FALSE(DeploymentSpec::from_json(extra.set("extra", 1)));
  auto large = good;
  EXPECT_FALSE(DeploymentSpec::from_json(large.set("version", std::int64_t{1} << 32)));
  EXPECT_FALSE(DeploymentSpec::from_json(json::Value("text")));
}

TEST(DeploymentSpec, has_one_digest_for_one_state_however_its_keys_are_ordered) {
  EXPECT_EQ(spec_with(R"({"a":1,"b":{"c":[{"x":1,"y":2}],"d":2}})").digest(),
            spec_with(R"({"b":{"d":2,"c":[{"y":2,"x":1}]},"a":1})").digest());
  EXPECT_NE(spec_with(R"({"guards":["authn","shape"]})").digest(),
            spec_with(R"({"guards":["shape","authn"]})").digest());
  EXPECT_NE(spec_with(R"({"limit":1})").digest(), spec_with(R"({"limit":2})").digest());
  auto other_version = spec_with("{}");
  other_version.version = 4;
  EXPECT_NE(other_version.digest(), spec_with("{}").digest());
}

TEST(Deployment, finds_its_current_entry) {
  Deployment deployment{Environment::dev,
                        "magika",
                        2,
                        {{1, spec_with("{}"), {}, "a", "promote"}, {2, spec_with("{}"), {}, "b", "promote"}}};
  ASSERT_NE(deployment.entry(), nullptr);
  EXPECT_EQ(deployment.entry()->by, "b");
  deployment.current = 1;
  EXPECT_EQ(deployment.entry()->by, "a");
  for (const std::uint64_t missing : {0u, 3u}) {
    deployment.current = missing;
    EXPECT_EQ(deployment.entry(), nullptr);
  }
}

}  // namespace
}  // namespace hauberk
