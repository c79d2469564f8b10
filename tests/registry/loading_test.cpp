#include "registry/loading.h"

#include "support.h"

namespace hauberk::registry {
namespace {

class Loading : public RegistryTest {};

TEST_F(Loading, gives_the_bytes_that_were_imported) {
  write("m/model.onnx", "weights");
  write("m/vocab.txt", "words");
  const auto imported = try_import("magika", "m", ian_);
  scan(imported->version, "CLEAN");
  const auto loaded = load(imported->version, Environment::dev);
  ASSERT_TRUE(loaded) << loaded.error().text();
  ASSERT_EQ(loaded->files.size(), 2u);
  EXPECT_EQ(loaded->files[0].path, "model.onnx");
  EXPECT_EQ(as_text(loaded->files[0].content), "weights");
  EXPECT_EQ(as_text(loaded->files[1].content), "words");
}

TEST_F(Loading, serves_each_state_only_where_it_belongs) {
  using enum VersionState;
  const struct {
    Environment environment;
    std::set<VersionState> states;
  } expected[] = {{Environment::dev, {scanned, approved, staging, production}},
                  {Environment::staging, {staging, production}},
                  {Environment::production, {production}}};
  for (const auto& [environment, states] : expected)
    for (const auto state : {quarantined, scanned, approved, staging, production, retired, revoked})
      EXPECT_EQ(serves(environment, state), states.contains(state)) << name(environment) << " " << name(state);

  EXPECT_EQ(load(import("quarantined", "q"), Environment::dev).error().code, Errc::precondition);
  const auto version = in_staging("magika", "weights");
  EXPECT_TRUE(load(version, Environment::dev));
  EXPECT_TRUE(load(version, Environment::staging));
  EXPECT_EQ(load(version, Environment::production).error().code, Errc::precondition);
  EXPECT_TRUE(load(in_production("other", "o"), Environment::production));
}

TEST_F(Loading, refuses_content_that_is_not_what_was_deployed) {
  const auto version = in_production("magika", "weights");
  const auto loaded = load_for_serving(ports_, policies_, Environment::production, ref(version),
                                       crypto::sha256(as_bytes("other")), 1 << 20);
  EXPECT_EQ(loaded.error().code, Errc::corrupt);
}

TEST_F(Loading, notices_a_blob_that_changed_shrank_or_vanished) {
  const auto version = in_production("magika", "weights");
  auto& blob = blobs_.blobs[version.manifest.files[0].digest];
  blob.content[0] ^= 1;
  EXPECT_EQ(load(version, Environment::production).error().code, Errc::corrupt);
  blob.content.pop_back();
  EXPECT_EQ(load(version, Environment::production).error().code, Errc::corrupt);
  blobs_.blobs.clear();
  EXPECT_FALSE(load(version, Environment::production));
}

TEST_F(Loading, keeps_to_its_memory_limit) {
  const auto version = in_production("magika", "weights");
  EXPECT_EQ(load_for_serving(ports_, policies_, Environment::production, ref(version), version.manifest.digest(), 6)
                .error()
                .code,
            Errc::exhausted);
  EXPECT_TRUE(load_for_serving(ports_, policies_, Environment::production, ref(version), version.manifest.digest(), 7));
}

TEST_F(Loading, drops_what_a_later_scan_found) {
  const auto version = in_production("magika", "weights");
  scan(version, "MALICIOUS");
  const auto loaded = load(version, Environment::production);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::denied);
  EXPECT_NE(loaded.error().message.find("MALICIOUS"), std::string::npos);
  EXPECT_EQ(check_for_serving(ports_, policies_, Environment::production, ref(version), version.manifest.digest())
                .error()
                .code,
            Errc::denied);
}

TEST_F(Loading, does_not_fail_by_the_calendar) {
  const auto version = in_production("magika", "weights");
  clock_.advance(std::chrono::days(400));
  EXPECT_TRUE(load(version, Environment::production));
}

TEST_F(Loading, does_not_believe_a_state_that_was_written_into_the_catalogue) {
  using enum VersionState;
  const auto raise = [&](const Version& version, std::initializer_list<VersionState> states) {
    auto from = version.state;
    for (const auto next : states)
      ASSERT_TRUE(catalog_->change_state({ref(version), std::exchange(from, next), next, {}, {}, {}, {}, {}}));
  };
  const auto unscanned = import("unscanned", "u");
  raise(unscanned, {scanned});
  EXPECT_EQ(load(unscanned, Environment::dev).error().code, Errc::denied);

  const auto unpromoted =
      RegistryTest::approved("unpromoted", "p");  // scanned and approved by the book, then lifted by hand
  ASSERT_TRUE(approve(ports_, policies_, ref(unpromoted), "", bob_));
  raise(unpromoted, {staging, production});
  EXPECT_EQ(load(unpromoted, Environment::staging).error().code, Errc::denied);
  EXPECT_EQ(load(unpromoted, Environment::production).error().code, Errc::denied);
}

TEST_F(Loading, wants_the_promotion_sealed_by_the_environments_own_key) {
  const auto version = in_staging("magika", "weights");
  ASSERT_TRUE(approve(ports_, policies_, ref(version), "", bob_));
  // Whoever holds the keys of dev says "promoted to production" and lifts the state.
  auto body = json::Value::object()
                  .set("from", "staging")
                  .set("to", "production")
                  .set("issuer", "eve")
                  .set("time", rfc3339(clock_.now()));
  const auto forged = *seal(
      Statement{{{version.ref(), version.manifest.digest()}}, std::string(predicate::promotion), body}, *keys_[0]);
  ASSERT_TRUE(catalog_->change_state(
      {ref(version), VersionState::staging, VersionState::production, {forged}, {}, {}, {}, {}}));
  EXPECT_EQ(load(version, Environment::production).error().code, Errc::denied);
}

TEST_F(Loading, does_not_lend_one_names_promotion_to_another_with_the_same_content) {
  in_production("magika", "weights");
  const auto copy = RegistryTest::approved("copy", "weights");
  using enum VersionState;
  ASSERT_TRUE(catalog_->change_state({ref(copy), VersionState::approved, staging, {}, {}, {}, {}, {}}));
  ASSERT_TRUE(catalog_->change_state({ref(copy), staging, production, {}, {}, {}, {}, {}}));
  EXPECT_EQ(load(copy, Environment::production).error().code, Errc::denied);
}

TEST_F(Loading, reports_evidence_that_it_did_not_count) {
  const auto version = in_production("magika", "weights");
  ASSERT_TRUE(catalog_->add_evidence(version.manifest.digest(), {{Digest{}, {}, "garbage", ""}}));
  const auto loaded = load(version, Environment::production);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->refused_evidence.size(), 1u);
}

class ExportTest : public RegistryTest {
 protected:
  Result<Exported> out(const Version& version, std::string_view folder, Environment environment = Environment::dev) {
    return export_version(ports_, environment, ref(version), files_, path(folder), person("vera", {"read:*"}));
  }
};

TEST_F(ExportTest, writes_files_manifest_and_evidence_that_others_can_check) {
  write("m/model.onnx", "weights");
  write("m/sub/vocab.txt", "words");
  const auto version = try_import("magika", "m", ian_)->version;
  scan(version, "CLEAN");
  const auto exported = out(version, "out");
  ASSERT_TRUE(exported) << exported.error().text();
  EXPECT_EQ(exported->bytes, 12u);
  EXPECT_EQ(read(path("out/files/model.onnx")), "weights");
  EXPECT_EQ(read(path("out/files/sub/vocab.txt")), "words");
  EXPECT_EQ(read(path("out/manifest.json")), version.manifest.canonical());
  EXPECT_EQ(exported->evidence_file, "magika-1.intoto.jsonl");
  std::string expected;
  for (const auto& envelope : *catalog_->evidence(version.manifest.digest())) expected += envelope + "\n";
  EXPECT_EQ(read(path("out/magika-1.intoto.jsonl")), expected);
}

TEST_F(ExportTest, refuses_quarantined_and_revoked_versions_and_callers_without_the_grant) {
  const auto version = import("magika", "weights");
  EXPECT_EQ(out(version, "out").error().code, Errc::precondition);
  scan(version, "CLEAN");
  EXPECT_EQ(export_version(ports_, Environment::dev, ref(version), files_, path("out"), person("eve", {"infer:*"}))
                .error()
                .code,
            Errc::no_grant);
  ASSERT_TRUE(revoke(ports_, ref(version), "backdoor", paula_));
  EXPECT_EQ(out(version, "out").error().code, Errc::precondition);
  EXPECT_FALSE(files_.info(path("out")));
}

TEST_F(ExportTest, does_not_write_over_anything) {
  const auto version = approved("magika", "weights");
  write("out/manifest.json", "mine");
  EXPECT_EQ(out(version, "out").error().code, Errc::exists);
  EXPECT_EQ(read(path("out/manifest.json")), "mine");
}

TEST_F(ExportTest, removes_what_it_wrote_when_a_blob_is_damaged) {
  write("m/a", "first");
  write("m/b", "second");
  const auto version = try_import("magika", "m", ian_)->version;
  scan(version, "CLEAN");
  blobs_.blobs[crypto::sha256(as_bytes("second"))].content[0] ^= 1;
  EXPECT_EQ(out(version, "out").error().code, Errc::corrupt);
  EXPECT_FALSE(files_.info(path("out/files/a")));
  EXPECT_FALSE(files_.info(path("out/files/b")));
}

}  // namespace
}  // namespace hauberk::registry
