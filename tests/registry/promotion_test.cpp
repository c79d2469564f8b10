#include "registry/promotion.h"

#include "support.h"

namespace hauberk::registry {
namespace {

class PromotionTest : public RegistryTest {
 protected:
  VersionState state(const Version& version) { return catalog_->version(ref(version))->state; }
  // Puts an envelope under the artifact as somebody who can write the catalogue's file would.
  void plant(const Version& version, const Evidence& evidence) {
    ASSERT_TRUE(catalog_->add_evidence(version.manifest.digest(), {evidence}));
  }
  Evidence sealed_by(crypto::KeyProvider& keys, const Version& version, std::string_view type, std::string_view issuer,
                     json::Value body) {
    body.set("issuer", issuer).set("time", rfc3339(clock_.now() + std::chrono::minutes(1)));
    return *seal(Statement{{{version.ref(), version.manifest.digest()}}, std::string(type), std::move(body)}, keys);
  }
};

TEST_F(PromotionTest, goes_the_whole_way_up) {
  const auto version = import("magika", "weights");
  const auto scanned = scan(version, "CLEAN");
  EXPECT_TRUE(scanned.decision.allow);
  EXPECT_EQ(scanned.version.state, VersionState::scanned);
  const auto approved = approve(ports_, policies_, ref(version), "looks fine", ann_);
  ASSERT_TRUE(approved);
  EXPECT_EQ(approved->version.state, VersionState::approved);
  const auto staged = promoted(version, Environment::staging, *json::parse(R"({"guards":["authn"]})"));
  EXPECT_TRUE(staged.decision.allow);
  EXPECT_EQ(staged.deployment_entry, 1u);
  EXPECT_EQ(state(version), VersionState::staging);
  ASSERT_TRUE(approve(ports_, policies_, ref(version), "", bob_));
  const auto served = promoted(version, Environment::production);
  EXPECT_TRUE(served.decision.allow);
  EXPECT_EQ(state(version), VersionState::production);
  EXPECT_EQ(catalog_->evidence(version.manifest.digest())->size(), 6u);  // import, scan, 2 approvals, 2 promotions

  const auto deployment = catalog_->deployment(Environment::staging, "magika");
  ASSERT_TRUE(deployment);
  EXPECT_EQ(deployment->entry()->spec.artifact, version.manifest.digest());
  EXPECT_EQ(deployment->entry()->spec.config, *json::parse(R"({"guards":["authn"]})"));
  EXPECT_EQ(deployment->entry()->by, "paula");
}

TEST_F(PromotionTest, rewraps_the_data_keys_for_the_environment_and_no_other) {
  const auto version = approved("magika", "weights");
  const auto blob = version.manifest.files[0].digest;
  EXPECT_FALSE(unwrap_from(ports_, blob, Environment::staging));
  promoted(version, Environment::staging);
  EXPECT_EQ(unwrap_from(ports_, blob, Environment::staging)->size(), blobs_.blobs[blob].key_size);
  EXPECT_FALSE(unwrap_from(ports_, blob, Environment::production));
  const auto wrapped = **catalog_->wrapped_key(blob, Environment::staging);
  EXPECT_FALSE(keys_[0]->unwrap(wrapped.key_id, wrapped.wrapped,
                                key_binding("default", blob, Environment::staging)));  // dev's key does not open it
}

TEST_F(PromotionTest, leaves_in_quarantine_what_the_scan_does_not_clear) {
  for (const std::string verdict : {"REVIEW", "MALICIOUS", "MALFORMED", "INCONCLUSIVE"}) {
    const auto version = import("magika", verdict);
    const auto result = scan(version, verdict);
    EXPECT_FALSE(result.decision.allow) << verdict;
    EXPECT_EQ(state(version), VersionState::quarantined) << verdict;
    EXPECT_EQ(catalog_->evidence(version.manifest.digest())->size(), 2u);  // the finding is kept all the same
    EXPECT_EQ(approve(ports_, policies_, ref(version), "", ann_).error().code, Errc::precondition);
  }
}

TEST_F(PromotionTest, never_passes_the_malicious_or_unchecked_whatever_a_policy_says) {
  policies_ = {};  // requires nothing at all
  for (const std::string verdict : {"MALICIOUS", "MALFORMED", "INCONCLUSIVE"}) {
    const auto version = import("magika", verdict);
    EXPECT_FALSE(scan(version, verdict).decision.allow) << verdict;
    EXPECT_EQ(state(version), VersionState::quarantined) << verdict;
  }
  const auto reviewed = import("magika", "review");
  EXPECT_TRUE(scan(reviewed, "REVIEW").decision.allow);  // a matter for the policy, and this one does not mind
}

TEST_F(PromotionTest, refuses_a_report_without_a_known_verdict) {
  const auto version = import("magika", "weights");
  for (const auto& bad : {report("clean"), report(""), json::Value::object(), json::Value("CLEAN"), json::Value()})
    EXPECT_EQ(record_scan(ports_, policies_, ref(version), bad, ian_).error().code, Errc::invalid);
  EXPECT_EQ(catalog_->evidence(version.manifest.digest())->size(), 1u);
}

TEST_F(PromotionTest, a_report_cannot_speak_in_the_name_of_somebody_else) {
  const auto version = import("magika", "weights");
  auto body = report("CLEAN")
                  .set("issuer", "trusted-scanner")
                  .set("time", "2030-01-01T00:00:00Z")
                  .set("environment", "production");
  const auto done = record_scan(ports_, policies_, ref(version), body, ian_);
  ASSERT_TRUE(done && done->evidence);
  EXPECT_EQ(done->evidence->statement.issuer(), "ian");
  EXPECT_EQ(done->evidence->statement.time(), clock_.now());
  EXPECT_EQ(done->evidence->statement.predicate.text_or("environment", ""), "dev");
}

TEST_F(PromotionTest, a_later_scan_that_finds_something_stops_the_next_gate) {
  const auto version = approved("magika", "weights");
  scan(version, "MALICIOUS");
  const auto step = promoted(version, Environment::staging);
  EXPECT_FALSE(step.decision.allow);
  EXPECT_EQ(state(version), VersionState::approved);
  scan(version, "CLEAN");  // new rules cleared it
  EXPECT_TRUE(promoted(version, Environment::staging).decision.allow);
}

TEST_F(PromotionTest, a_scan_by_older_rules_opens_no_gate_until_it_is_made_again) {
  const auto version = approved("magika", "weights");
  policies_.scan_rules = "2";
  const auto stale = promoted(version, Environment::staging);
  EXPECT_FALSE(stale.decision.allow);
  ASSERT_EQ(stale.decision.missing.size(), 1u);
  EXPECT_NE(stale.decision.missing[0].find("hauberk model rescan magika@1"), std::string::npos);
  clock_.advance(std::chrono::seconds(1));
  ASSERT_TRUE(record_scan(ports_, policies_, ref(version), report("CLEAN").set("rules_version", "2"), ian_));
  EXPECT_TRUE(promoted(version, Environment::staging).decision.allow);
}

TEST_F(PromotionTest, the_importer_does_not_approve_unless_the_policy_says_so) {
  const auto version = import("magika", "weights");
  scan(version, "CLEAN");
  const auto own = approve(ports_, policies_, ref(version), "", ian_);
  ASSERT_TRUE(own);
  EXPECT_FALSE(own->decision.allow);
  EXPECT_FALSE(own->evidence);
  EXPECT_EQ(state(version), VersionState::scanned);
  policies_.dev.self_approval = true;
  EXPECT_TRUE(approve(ports_, policies_, ref(version), "", ian_)->decision.allow);
  EXPECT_EQ(state(version), VersionState::approved);
}

// Two names for one content, each imported by one of two people: neither approves it.
TEST_F(PromotionTest, nobody_approves_what_they_imported_as_something_else) {
  const auto version = import("magika", "weights");
  scan(version, "CLEAN");
  ASSERT_TRUE(try_import("twin", "offered/model.onnx", ann_));
  const auto refused = approve(ports_, policies_, ref(version), "", ann_);
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->evidence);
  EXPECT_EQ(refused->decision.reasons, std::vector<std::string>{"ann imported the same content as twin"});
  EXPECT_TRUE(approve(ports_, policies_, ref(version), "", bob_)->decision.allow);
}

TEST_F(PromotionTest, nobody_approves_by_a_token_that_the_importer_made) {
  const auto version = import("magika", "weights");
  scan(version, "CLEAN");
  auto puppet = person("puppet");
  puppet.made_by = {"ian", "os:root"};
  const auto refused = approve(ports_, policies_, ref(version), "", puppet);
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->evidence);
  EXPECT_EQ(refused->decision.reasons,
            std::vector<std::string>{"the token of one of puppet and ian, who imported it, was made by the other"});
  EXPECT_EQ(state(version), VersionState::scanned);
  // Who made it stands in the evidence, so that later gates see it, too.
  auto deputy = person("deputy");
  deputy.made_by = {"tom"};
  ASSERT_TRUE(approve(ports_, policies_, ref(version), "", deputy)->evidence);
  const auto sealed = verified_evidence(*catalog_, version.manifest.digest(), ports_.keys);
  EXPECT_EQ(party_of(sealed->good.back().statement).made_by, std::vector<std::string>{"tom"});
}

TEST_F(PromotionTest, waits_for_as_many_people_as_the_policy_wants) {
  policies_.dev.approvals = 2;
  const auto version = import("magika", "weights");
  scan(version, "CLEAN");
  EXPECT_FALSE(approve(ports_, policies_, ref(version), "", ann_)->decision.allow);
  EXPECT_FALSE(approve(ports_, policies_, ref(version), "again", ann_)->decision.allow);  // the same person
  EXPECT_EQ(state(version), VersionState::scanned);
  EXPECT_TRUE(approve(ports_, policies_, ref(version), "", bob_)->decision.allow);
  EXPECT_EQ(state(version), VersionState::approved);
  EXPECT_EQ(catalog_->evidence(version.manifest.digest())->size(), 4u);  // import, scan, ann, bob
}

TEST_F(PromotionTest, needs_one_approval_even_where_the_policy_of_dev_counts_none) {
  policies_.dev.approvals = 0;
  const auto version = import("magika", "weights");
  scan(version, "CLEAN");
  EXPECT_EQ(state(version), VersionState::scanned);
  EXPECT_EQ(promote(ports_, policies_, {ref(version), Environment::staging, "", {}}, paula_).error().code,
            Errc::precondition);
  EXPECT_TRUE(approve(ports_, policies_, ref(version), "", ann_)->decision.allow);
}

TEST_F(PromotionTest, says_what_is_missing_and_changes_nothing) {
  const auto version = in_staging("magika", "weights");
  const auto step = promoted(version, Environment::production);  // wants two approvals
  EXPECT_FALSE(step.decision.allow);
  EXPECT_EQ(step.decision.missing, std::vector<std::string>{"1 more approval by other people (1 of 2 there)"});
  EXPECT_EQ(state(version), VersionState::staging);
  EXPECT_FALSE(step.evidence);
  EXPECT_EQ(catalog_->deployment(Environment::production, "magika").error().code, Errc::not_found);
}

TEST_F(PromotionTest, wants_a_fresh_scan_where_the_policy_has_an_age) {
  const auto version = in_staging("magika", "weights");
  ASSERT_TRUE(approve(ports_, policies_, ref(version), "", bob_));
  clock_.advance(std::chrono::days(8));
  EXPECT_FALSE(promoted(version, Environment::production).decision.allow);
  scan(version, "CLEAN");
  EXPECT_TRUE(promoted(version, Environment::production).decision.allow);
}

TEST_F(PromotionTest, leaves_no_state_out) {
  const auto version = import("magika", "weights");
  for (const auto target : {Environment::staging, Environment::production})
    EXPECT_EQ(promote(ports_, policies_, {ref(version), target, "", {}}, paula_).error().code, Errc::precondition);
  EXPECT_EQ(promote(ports_, policies_, {ref(version), Environment::dev, "", {}}, paula_).error().code, Errc::invalid);
  scan(version, "CLEAN");
  EXPECT_EQ(promote(ports_, policies_, {ref(version), Environment::staging, "", {}}, paula_).error().code,
            Errc::precondition);
}

TEST_F(PromotionTest, each_step_needs_its_grant) {
  const auto version = import("magika", "weights");
  const auto powerless = person("eve", {"read:*", "infer:*", "approve:other", "promote:other", "import:other"});
  EXPECT_EQ(record_scan(ports_, policies_, ref(version), report("CLEAN"), powerless).error().code, Errc::no_grant);
  scan(version, "CLEAN");
  EXPECT_EQ(approve(ports_, policies_, ref(version), "", powerless).error().code, Errc::no_grant);
  ASSERT_TRUE(approve(ports_, policies_, ref(version), "", ann_));
  EXPECT_EQ(promote(ports_, policies_, {ref(version), Environment::staging, "", {}}, powerless).error().code,
            Errc::no_grant);
  EXPECT_EQ(
      promote(ports_, policies_, {ref(version), Environment::staging, "taken", {}}, person("m", {"promote:magika"}))
          .error()
          .code,
      Errc::no_grant);
  EXPECT_EQ(state(version), VersionState::approved);
  EXPECT_TRUE(promote(ports_, policies_, {ref(version), Environment::staging, "", json::Value::object()},
                      person("m", {"promote:magika"})));
}

TEST_F(PromotionTest, preview_decides_and_changes_nothing) {
  const auto version = approved("magika", "weights");
  const auto counter = *catalog_->change_counter();
  const auto looked =
      preview(ports_, policies_, {ref(version), Environment::staging, "", {}}, person("vera", {"read:magika"}));
  ASSERT_TRUE(looked);
  EXPECT_TRUE(looked->decision.allow);
  EXPECT_EQ(*catalog_->change_counter(), counter);
  EXPECT_EQ(state(version), VersionState::approved);
}

TEST_F(PromotionTest, does_not_count_evidence_that_no_key_confirms_and_says_so) {
  const auto version = import("magika", "weights");
  const auto stranger = crypto::make_memory_keys(random_);
  plant(version, sealed_by(*stranger, version, predicate::scan, "scanner", report("CLEAN")));
  auto forged = sealed_by(*keys_[0], version, predicate::approval, "ann", json::Value::object());
  const auto at = forged.envelope.find("\"payload\":\"") + 60;
  forged.envelope[at] = forged.envelope[at] == 'A' ? 'B' : 'A';
  forged.id = crypto::sha256(as_bytes(forged.envelope));
  plant(version, forged);
  plant(version, {Digest{}, {}, "no envelope at all", ""});
  const auto result = scan(version, "REVIEW");
  EXPECT_FALSE(result.decision.allow);
  EXPECT_EQ(result.refused_evidence.size(), 3u);
  EXPECT_EQ(state(version), VersionState::quarantined);
}

TEST_F(PromotionTest, accepts_evidence_that_another_environment_sealed) {
  const auto version = in_staging("magika", "weights");
  plant(version, sealed_by(*keys_[1], version, predicate::approval, "bob", json::Value::object()));
  EXPECT_TRUE(promoted(version, Environment::production).decision.allow);
}

TEST_F(PromotionTest, does_not_believe_the_catalogue_about_who_imported) {
  // Evidence of ian's import lies on the content; the same content under a name that the catalogue ascribes to nobody
  // in particular.
  const auto version = import("magika", "weights");
  auto ascribed = version;
  ascribed.name = "copy";
  ascribed.imported_by = "somebody";
  const auto planted = *catalog_->add_version(ascribed, {}, {});
  const auto result = scan(planted, "CLEAN");
  EXPECT_FALSE(result.decision.allow);
  EXPECT_EQ(state(planted), VersionState::quarantined);
}

TEST_F(PromotionTest, stops_where_keys_are_out_of_reach) {
  const auto version = approved("magika", "weights");
  ports_.keys.providers[1] = nullptr;
  EXPECT_EQ(promote(ports_, policies_, {ref(version), Environment::staging, "", {}}, paula_).error().code,
            Errc::unavailable);
  EXPECT_EQ(state(version), VersionState::approved);
}

TEST_F(PromotionTest, deploys_in_dev_what_is_scanned_and_makes_no_entry_for_no_change) {
  const auto version = import("magika", "weights");
  const DeploymentSpec spec{"magika", 1, {}, *json::parse(R"({"guards":[]})")};
  EXPECT_EQ(deploy(ports_, Environment::dev, "magika", spec, "configuration", paula_).error().code, Errc::precondition);
  scan(version, "CLEAN");
  EXPECT_EQ(deploy(ports_, Environment::dev, "magika", spec, "configuration", paula_), 1u);
  EXPECT_EQ(deploy(ports_, Environment::dev, "magika", spec, "configuration", paula_), 1u);
  EXPECT_EQ(deploy(ports_, Environment::dev, "magika", {"magika", 1, {}, *json::parse(R"({"guards":["authn"]})")},
                   "configuration", paula_),
            2u);
  EXPECT_EQ(deploy(ports_, Environment::production, "magika", spec, "configuration", paula_).error().code,
            Errc::precondition);
  EXPECT_EQ(deploy(ports_, Environment::dev, "magika", {"magika", 1, crypto::sha256(as_bytes("x")), {}},
                   "configuration", paula_)
                .error()
                .code,
            Errc::corrupt);
  EXPECT_EQ(deploy(ports_, Environment::dev, "chat", {"", 0, {}, *json::parse(R"({"upstream":"http://127.0.0.1:1"})")},
                   "configuration", paula_),
            1u);
  EXPECT_EQ(deploy(ports_, Environment::dev, "magika", spec, "x", person("m", {"promote:other"})).error().code,
            Errc::no_grant);
}

TEST_F(PromotionTest, retires_only_what_no_deployment_serves) {
  const auto first = in_production("magika", "one");
  EXPECT_EQ(retire(ports_, ref(first), "old", paula_).error().code, Errc::precondition);
  const auto second = in_production("magika", "two");
  const auto retired = retire(ports_, ref(first), "old", paula_);
  ASSERT_TRUE(retired) << retired.error().text();
  EXPECT_EQ(retired->state, VersionState::retired);
  EXPECT_EQ(load(first, Environment::production).error().code, Errc::precondition);
  EXPECT_TRUE(load(second, Environment::production));
}

}  // namespace
}  // namespace hauberk::registry
