#include "registry/importer.h"

#include <algorithm>

#include "support.h"

namespace hauberk::registry {
namespace {

class Import : public RegistryTest {};

TEST_F(Import, quarantines_a_folder_with_signed_evidence_of_who_brought_it) {
  write("m/model.onnx", "weights");
  write("m/tokenizer/vocab.txt", "words");
  const auto imported = try_import("magika", "m", ian_);
  ASSERT_TRUE(imported) << imported.error().text();
  const auto& version = imported->version;
  EXPECT_EQ(version.ref(), "magika@1");
  EXPECT_EQ(version.state, VersionState::quarantined);
  EXPECT_EQ(version.imported_by, "ian");
  EXPECT_EQ(version.origin, "m");
  EXPECT_EQ(version.manifest.files,
            (std::vector<ManifestFile>{{"model.onnx", 7, crypto::sha256(as_bytes("weights"))},
                                       {"tokenizer/vocab.txt", 5, crypto::sha256(as_bytes("words"))}}));

  const auto envelopes = catalog_->evidence(version.manifest.digest());
  ASSERT_EQ(envelopes->size(), 1u);
  const auto evidence = open_evidence(envelopes->front(), *keys_[0]);
  ASSERT_TRUE(evidence) << evidence.error().text();
  EXPECT_EQ(evidence->statement.predicate_type, predicate::import);
  EXPECT_EQ(evidence->statement.issuer(), "ian");
  EXPECT_EQ(evidence->statement.time(), clock_.now());
  EXPECT_EQ(evidence->statement.subjects, (std::vector<Subject>{{"magika", version.manifest.digest()}}));
  EXPECT_EQ(evidence->statement.predicate.text_or("environment", ""), "dev");
}

TEST_F(Import, keeps_the_data_keys_wrapped_for_dev_alone_and_bound_to_their_blob) {
  const auto version = import("magika", "weights");
  const auto blob = version.manifest.files[0].digest;
  EXPECT_EQ(unwrap_from(ports_, blob, Environment::dev)->size(), blobs_.blobs[blob].key_size);
  EXPECT_EQ(unwrap_from(ports_, blob, Environment::staging).error().code, Errc::corrupt);
  auto moved = **catalog_->wrapped_key(blob, Environment::dev);
  moved.blob = crypto::sha256(as_bytes("other"));
  ASSERT_TRUE(catalog_->put_wrapped_keys({moved}));
  EXPECT_FALSE(unwrap_from(ports_, moved.blob, Environment::dev));
  moved.blob = blob;
  moved.environment = Environment::staging;
  ASSERT_TRUE(catalog_->put_wrapped_keys({moved}));
  EXPECT_FALSE(unwrap_from(ports_, blob, Environment::staging));
}

TEST_F(Import, needs_the_grant_and_a_good_name) {
  write("model", "weights");
  EXPECT_EQ(try_import("magika", "model", person("eve", {"read:*", "import:other"})).error().code, Errc::no_grant);
  EXPECT_EQ(try_import("../x", "model", ian_).error().code, Errc::invalid);
  EXPECT_TRUE(try_import("magika", "model", person("ivy", {"import:mag*"})));
  EXPECT_EQ(blobs_.blobs.size(), 1u);
}

TEST_F(Import, of_the_same_files_twice_is_refused_and_of_changed_ones_is_the_next_version) {
  import("magika", "one");
  EXPECT_EQ(try_import("magika", "offered/model.onnx", ian_).error().code, Errc::exists);
  EXPECT_EQ(import("magika", "two").number, 2u);
  EXPECT_EQ(import("other", "two").number, 1u);
  EXPECT_EQ(blobs_.blobs.size(), 2u);
}

TEST_F(Import, takes_two_equal_files_in_one_folder) {
  write("m/a", "same");
  write("m/b", "same");
  ASSERT_TRUE(try_import("twins", "m", ian_));
  EXPECT_EQ(blobs_.blobs.size(), 1u);
}

TEST_F(Import, takes_an_empty_file) {
  write("empty", "");
  const auto imported = try_import("nothing", "empty", ian_);
  ASSERT_TRUE(imported) << imported.error().text();
  EXPECT_EQ(imported->version.manifest.files[0].size, 0u);
}

TEST_F(Import, takes_over_what_a_killed_import_left) {
  auto writer = *blobs_.create(100);
  ASSERT_TRUE(writer->write(as_bytes("weights")));
  const auto lost_key = writer->finish()->data_key.size();  // the blob is in place, its key died with the process
  const auto version = import("magika", "weights");
  const auto blob = version.manifest.files[0].digest;
  EXPECT_NE(blobs_.blobs[blob].key_size, lost_key);
  const auto opened = open_for_scan(ports_, version.manifest.files[0]);
  ASSERT_TRUE(opened) << opened.error().text();
}

TEST_F(Import, brings_back_a_blob_whose_file_was_lost) {
  const auto first = import("magika", "weights");
  blobs_.blobs.clear();
  EXPECT_FALSE(open_for_scan(ports_, first.manifest.files[0]));
  import("copy", "weights");
  EXPECT_TRUE(open_for_scan(ports_, first.manifest.files[0]));
}

TEST_F(Import, stops_at_its_caps_and_leaves_no_version) {
  write("m/a", std::string(600, 'a'));
  write("m/b", std::string(600, 'b'));
  const auto attempt = [&](ImportLimits limits) {
    auto source = *open_source(path("m"));
    return import_artifact(ports_, *source, {"magika", ArtifactKind::model, limits, {}}, ian_);
  };
  EXPECT_EQ(attempt({599, 10'000, 10}).error().code, Errc::exhausted);
  EXPECT_EQ(attempt({600, 1199, 10}).error().code, Errc::exhausted);
  EXPECT_EQ(attempt({600, 1200, 1}).error().code, Errc::exhausted);
  EXPECT_TRUE(catalog_->versions("")->empty());
  EXPECT_TRUE(attempt({600, 1200, 2}));
}

TEST_F(Import, on_a_full_disk_leaves_no_version) {
  blobs_.fail_write_after = 3;
  write("model", "weights");
  const auto imported = try_import("magika", "model", ian_);
  ASSERT_FALSE(imported);
  EXPECT_EQ(imported.error().code, Errc::exhausted);
  EXPECT_EQ(imported.error().context, "model");
  EXPECT_TRUE(catalog_->versions("")->empty());
}

TEST_F(Import, tells_its_progress_in_bytes) {
  write("m/a", std::string(1'500'000, 'a'));
  write("m/b", "b");
  auto source = *open_source(path("m"));
  std::vector<std::uint64_t> done;
  std::uint64_t total = 0;
  ASSERT_TRUE(import_artifact(ports_, *source,
                              {"magika",
                               ArtifactKind::model,
                               {},
                               [&](std::uint64_t now, std::uint64_t all) {
                                 done.push_back(now);
                                 total = all;
                               }},
                              ian_));
  ASSERT_GE(done.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), 1'500'001u);
  EXPECT_EQ(total, 1'500'001u);
}

}  // namespace
}  // namespace hauberk::registry
