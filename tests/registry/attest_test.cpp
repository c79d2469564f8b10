#include "registry/attest.h"

#include "crypto/envelope.h"
#include "crypto/signature.h"
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

class ForeignTest : public AttestTest {
 protected:
  static constexpr std::string_view type = "https://slsa.dev/provenance/v1";
  void SetUp() override { policies_.dev.attestors = {{builder_.verifying().pem(), {std::string(type)}}}; }
  static std::string signed_by(const crypto::SigningKey& key, const Statement& statement) {
    crypto::Envelope envelope{.payload = json::write(statement.to_json()), .signatures = {}};
    envelope.signatures.push_back(
        {"", key.sign(crypto::pre_authentication_encoding(crypto::in_toto_type, envelope.payload))});
    return crypto::write_envelope(envelope) + "\n";
  }
  static Statement about(const Digest& digest, std::string_view what = type) {
    return {{{"m", digest}}, std::string(what), json::Value().set("builder", "us").set("issuer", "somebody")};
  }
  Result<Evidence> accept(const Version& version, const std::string& text) {
    return accept_attestation(ports_, policies_, ref(version), text, ian_);
  }
  crypto::SigningKey builder_ = crypto::SigningKey::generate(crypto::SignatureAlgorithm::ecdsa_p256);
};

TEST_F(ForeignTest, an_attestors_statement_becomes_evidence_that_a_policy_can_ask_for) {
  const auto version = approved("fraud", "weights");
  policies_.staging.required.push_back({std::string(type), {{"/builder", Comparison::equal, "us"}}, std::nullopt});
  const PromoteRequest request{.version = ref(version), .target = Environment::staging};
  EXPECT_FALSE(promote(ports_, policies_, request, paula_)->decision.allow) << "it is missing";
  const auto accepted = accept(version, signed_by(builder_, about(model_root(version.manifest))));
  ASSERT_TRUE(accepted) << accepted.error().text();
  EXPECT_EQ(accepted->statement.issuer(), builder_.verifying().id()) << "not whom it names itself";
  EXPECT_NE(accepted->statement.predicate.find("attested"), nullptr);
  EXPECT_TRUE(promote(ports_, policies_, request, paula_)->decision.allow);
}

TEST_F(ForeignTest, takes_it_from_a_bundle_and_by_each_digest_of_the_version) {
  const auto version = approved("fraud", "weights");
  for (const auto& digest :
       {model_root(version.manifest), version.manifest.digest(), version.manifest.files[0].digest}) {
    const auto envelope = signed_by(builder_, about(digest));
    EXPECT_TRUE(accept(version, envelope));
    EXPECT_TRUE(accept(version, "{\"mediaType\":\"x\",\"dsseEnvelope\":" + envelope + "}"));
  }
}

TEST_F(ForeignTest, nobody_says_what_he_may_not_say) {
  const auto version = approved("fraud", "weights");
  const auto digest = model_root(version.manifest);
  EXPECT_EQ(accept(version, signed_by(crypto::SigningKey::generate(), about(digest))).error().code, Errc::denied);
  for (const auto what : {predicate::approval, predicate::scan, std::string_view("https://example.org/other/v1")})
    EXPECT_EQ(accept(version, signed_by(builder_, about(digest, what))).error().code, Errc::denied) << what;
  EXPECT_EQ(accept(version, signed_by(builder_, about(crypto::sha256(as_bytes("another"))))).error().code,
            Errc::corrupt);
  auto changed = signed_by(builder_, about(digest));
  auto& character = changed[changed.find("\"sig\":\"") + 12];
  character = character == 'A' ? 'B' : 'A';
  EXPECT_FALSE(accept(version, changed));
  for (const auto* bad : {"", "{}", "[]", "x"}) EXPECT_EQ(accept(version, bad).error().code, Errc::corrupt) << bad;
  EXPECT_EQ(accept_attestation(ports_, policies_, ref(version), signed_by(builder_, about(digest)),
                               person("reader", {"read:*"}))
                .error()
                .code,
            Errc::no_grant);
  policies_.dev.attestors.clear();
  EXPECT_EQ(accept(version, signed_by(builder_, about(digest))).error().code, Errc::denied);
}

TEST_F(AttestTest, needs_the_grant_to_read) {
  const auto version = approved("fraud", "weights");
  const auto nobody = person("nobody", {"infer:fraud"});
  EXPECT_EQ(state_provenance(ports_, ref(version), nobody).error().code, Errc::no_grant);
  EXPECT_EQ(summarize_verification(ports_, policies_, {.version = ref(version)}, nobody).error().code, Errc::no_grant);
}

}  // namespace
}  // namespace hauberk::registry
