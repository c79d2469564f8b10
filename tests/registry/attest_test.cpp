#include "registry/attest.h"

#include "support.h"

namespace hauberk::registry {
namespace {

class AttestTest : public RegistryTest {
 protected:
  json::Value predicate_of(const Evidence& evidence, Environment environment) {
    // As somebody else would: by the envelope and the environment's public key alone.
    const auto opened = open_evidence(evidence.envelope, *keys_[static_cast<std::size_t>(environment)]);
    EXPECT_TRUE(opened) << opened.error().text();
    return opened ? opened->statement.predicate : json::Value();
  }
};

TEST_F(AttestTest, a_summary_says_what_the_gate_would_say_and_by_which_evidence) {
  const auto version = approved("fraud", "weights");
  const PromoteRequest request{.version = ref(version), .target = Environment::staging};
  const auto passed = summarize_verification(ports_, policies_, request, paula_);
  ASSERT_TRUE(passed) << passed.error().text();
  const auto predicate = predicate_of(*passed, Environment::staging);
  EXPECT_EQ(predicate.text_or("verificationResult", ""), "PASSED");
  EXPECT_EQ(predicate.text_or("resourceUri", ""), "hauberk://staging/fraud");
  EXPECT_EQ(predicate.find("inputAttestations")->as_array()->size(), 3u) << "import, scan, approval";
  EXPECT_EQ(predicate.find("verifiedLevels")->as_array()->at(0), json::Value("HAUBERK_POLICY_PASSED"));
  ASSERT_EQ(passed->statement.subjects.size(), 2u);
  EXPECT_EQ(passed->statement.subjects[0], (Subject{"fraud", model_root(version.manifest)}));
  EXPECT_EQ(passed->statement.subjects[1].digest, version.manifest.digest());

  scan(version, "MALICIOUS");
  const auto failed = summarize_verification(ports_, policies_, request, paula_);
  ASSERT_TRUE(failed);
  EXPECT_EQ(predicate_of(*failed, Environment::staging).text_or("verificationResult", ""), "FAILED");
  EXPECT_FALSE(predicate_of(*failed, Environment::staging).text_or("hauberk_reasons", "").empty());
}

TEST_F(AttestTest, the_policy_is_named_by_its_digest) {
  const auto version = approved("fraud", "weights");
  const PromoteRequest request{.version = ref(version), .target = Environment::staging};
  const auto digest = [&] {
    const auto summary = summarize_verification(ports_, policies_, request, paula_);
    return summary->statement.predicate.find("policy")->find("digest")->text_or("sha256", "").size() == 64
               ? std::string(summary->statement.predicate.find("policy")->find("digest")->text_or("sha256", ""))
               : std::string();
  };
  const auto before = digest();
  ASSERT_FALSE(before.empty());
  EXPECT_EQ(digest(), before);
  policies_.staging.approvals = 2;
  EXPECT_NE(digest(), before);
}

TEST_F(AttestTest, provenance_says_how_it_came_here) {
  const auto version = approved("fraud", "weights");
  const auto evidence = state_provenance(ports_, ref(version), ann_);
  ASSERT_TRUE(evidence) << evidence.error().text();
  const auto predicate = predicate_of(*evidence, Environment::dev);
  const auto* definition = predicate.find("buildDefinition");
  EXPECT_EQ(definition->find("externalParameters")->text_or("origin", ""), "model.onnx");
  EXPECT_EQ(definition->find("resolvedDependencies")->as_array()->size(), 1u);
  EXPECT_EQ(predicate.find("runDetails")->find("byproducts")->as_array()->size(), 1u);
  EXPECT_EQ(predicate.find("runDetails")->find("metadata")->text_or("startedOn", ""), rfc3339(version.imported));
  // The root digest is that of OpenSSF Model Signing: of one file, SHA-256 of its SHA-256.
  EXPECT_EQ(model_root(version.manifest), crypto::sha256(crypto::sha256(as_bytes("weights")).bytes));
}

TEST_F(AttestTest, needs_the_grant_to_read) {
  const auto version = approved("fraud", "weights");
  const auto nobody = person("nobody", {"infer:fraud"});
  EXPECT_EQ(state_provenance(ports_, ref(version), nobody).error().code, Errc::denied);
  EXPECT_EQ(summarize_verification(ports_, policies_, {.version = ref(version)}, nobody).error().code, Errc::denied);
}

}  // namespace
}  // namespace hauberk::registry
