// What the tests of the registry's services stand on: the real catalogue in memory, keys in memory, one set per
// environment, a clock that stands, and a blob store in memory which keeps the promises of the port and can be damaged.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>

#include "adapters/catalog_sqlite.h"
#include "base/file.h"
#include "registry/importer.h"
#include "registry/loading.h"
#include "registry/promotion.h"
#include "registry/rollback.h"

namespace hauberk::registry {

// Data keys are numbered, not secret: a blob opens only with the very key object's size that belongs to it (1000 +
// number).
class MemoryBlobs final : public BlobStore {
 public:
  struct Blob {
    Bytes content;
    std::size_t key_size = 0;
    Instant stored{};  // as the test says
  };
  std::map<Digest, Blob> blobs;
  std::string tenant_name = "default";
  std::size_t fail_write_after = SIZE_MAX;  // bytes; then the disk is full

  const std::string& tenant() const override { return tenant_name; }
  Result<std::unique_ptr<BlobLock>> lock() override { return std::make_unique<BlobLock>(); }
  Status write_together(std::span<BlobWriter* const> writers, std::span<const ByteView> pieces) override {
    for (std::size_t i = 0; i < writers.size(); ++i) CHECK(writers[i]->write(pieces[i]));
    return {};
  }
  Result<std::unique_ptr<BlobWriter>> create(std::uint64_t max_size) override {
    return std::make_unique<Writer>(*this, max_size);
  }
  Result<std::unique_ptr<BlobReader>> open(const Digest& digest, Secret data_key) override {
    const auto found = blobs.find(digest);
    if (found == blobs.end()) return fail(Errc::not_found, "the blob is missing", digest.text());
    if (found->second.key_size != data_key.size())
      return fail(Errc::corrupt, "the blob does not open with this key", digest.text());
    return std::make_unique<Reader>(found->second.content);
  }
  Result<bool> contains(const Digest& digest) override { return blobs.contains(digest); }
  BlobAddress address_of(const Digest& digest) const override { return {digest.bytes}; }
  Result<Instant> stored_at(const BlobAddress& address) override { return blobs.at(Digest{address.bytes}).stored; }
  Status remove(const BlobAddress& address) override {
    return blobs.erase(Digest{address.bytes}) == 1 ? Status{} : fail(Errc::not_found, "the blob is missing");
  }
  Result<std::vector<BlobAddress>> list() override {
    std::vector<BlobAddress> addresses;
    for (const auto& [digest, blob] : blobs) addresses.push_back(address_of(digest));
    return addresses;
  }

 private:
  class Writer final : public BlobWriter {
   public:
    Writer(MemoryBlobs& store, std::uint64_t max_size) : store_(store), max_size_(max_size) {}
    Status write(ByteView plaintext) override {
      content_.insert(content_.end(), plaintext.begin(), plaintext.end());
      if (content_.size() > max_size_) return fail(Errc::exhausted, "the blob is too large");
      if (content_.size() > store_.fail_write_after) return fail(Errc::exhausted, "the disk is full");
      return {};
    }
    Result<StoredBlob> finish() override {
      const auto digest = crypto::sha256(content_);
      const auto size = content_.size();
      if (store_.blobs.contains(digest)) return StoredBlob{digest, size, Secret{}, true};
      const auto key_size = 1000 + ++store_.keys_;
      store_.blobs[digest] = {std::move(content_), key_size, {}};
      return StoredBlob{digest, size, Secret(Bytes(key_size, 0x6b)), false};
    }

   private:
    MemoryBlobs& store_;
    std::uint64_t max_size_;
    Bytes content_;
  };
  class Reader final : public BlobReader {
   public:
    explicit Reader(const Bytes& content) : content_(content) {}
    std::uint64_t size() const override { return content_.size(); }
    Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
      const auto count =
          std::min<std::size_t>(out.size(), content_.size() - std::min<std::size_t>(offset, content_.size()));
      std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
      return count;
    }

   private:
    const Bytes& content_;
  };
  std::size_t keys_ = 0;
};

inline Principal person(std::string subject, std::initializer_list<std::string_view> scopes = {"admin:*"}) {
  Principal principal{std::move(subject), "default", "", CredentialKind::local_user, {}};
  for (const auto scope : scopes) principal.scopes.push_back(*Scope::parse(scope));
  return principal;
}

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    char name[] = "/tmp/hauberk_registry_XXXXXX";
    folder_ = ::mkdtemp(name);
    for (const auto environment : all_environments) {
      auto& keys = keys_[static_cast<std::size_t>(environment)] = crypto::make_memory_keys(random_);
      ports_.keys.set(environment, *keys);
    }
    policies_.dev = *policy_from_json(
        *json::parse(R"({"required":[{"evidence":"scan","where":{"/verdict":"CLEAN"}}],"approvals":1})"));
    policies_.staging = *policy_from_json(*json::parse(
        R"({"required":[{"evidence":"scan","where":{"/verdict":"CLEAN"},"max_age":"30d"}],"approvals":1})"));
    policies_.production = *policy_from_json(*json::parse(
        R"({"required":[{"evidence":"scan","where":{"/verdict":"CLEAN"},"max_age":"7d"}],"approvals":2})"));
  }
  ~RegistryTest() override { std::filesystem::remove_all(folder_); }

  std::string path(std::string_view name) const { return join_path(folder_, name); }
  void write(std::string_view name, std::string_view content) {
    ASSERT_TRUE(files_.make_directories(parent_directory(path(name))));
    ASSERT_TRUE(write_file_atomically(files_, path(name), as_bytes(content)));
  }
  std::string read(const std::string& name) {
    return std::string(as_text(read_file(files_, name, 1 << 24).value_or(Bytes{})));
  }

  Result<Imported> try_import(std::string name, std::string_view what, const Principal& who) {
    auto source = open_source(path(what));
    if (!source) return std::unexpected(source.error());
    return import_artifact(ports_, **source, {std::move(name), ArtifactKind::model, {}, {}}, who);
  }
  Version import(std::string name, std::string_view content) {
    write("offered/model.onnx", content);
    auto imported = try_import(std::move(name), "offered/model.onnx", ian_);
    EXPECT_TRUE(imported) << imported.error().text();
    return imported ? imported->version : Version{};
  }
  static json::Value report(std::string_view verdict) { return json::Value::object().set("verdict", verdict); }
  StepResult scan(const Version& version, std::string_view verdict) {
    clock_.advance(std::chrono::seconds(1));
    auto done = record_scan(ports_, policies_, ref(version), report(verdict), ian_);
    EXPECT_TRUE(done) << done.error().text();
    return done ? *std::move(done) : StepResult{};
  }
  StepResult promoted(const Version& version, Environment target, json::Value config = json::Value::object()) {
    auto done = promote(ports_, policies_, {ref(version), target, "", std::move(config)}, paula_);
    EXPECT_TRUE(done) << done.error().text();
    return done ? *std::move(done) : StepResult{};
  }
  static VersionRef ref(const Version& version) { return {version.name, version.number}; }

  Version approved(std::string name, std::string_view content) {
    auto version = import(std::move(name), content);
    scan(version, "CLEAN");
    EXPECT_TRUE(approve(ports_, policies_, ref(version), "looks fine", ann_));
    return *catalog_->version(ref(version));
  }
  Version in_staging(std::string name, std::string_view content) {
    return promoted(approved(std::move(name), content), Environment::staging).version;
  }
  Version in_production(std::string name, std::string_view content) {
    const auto version = in_staging(std::move(name), content);
    EXPECT_TRUE(approve(ports_, policies_, ref(version), "", bob_));
    const auto step = promoted(version, Environment::production);
    EXPECT_TRUE(step.decision.allow);
    return step.version;
  }
  Result<LoadedVersion> load(const Version& version, Environment environment) {
    return load_for_serving(ports_, policies_, environment, ref(version), version.manifest.digest(), 1 << 20);
  }

  std::string folder_;
  SystemFiles files_;
  SystemRandom random_;
  ManualClock clock_{*parse_rfc3339("2026-11-24T12:00:00Z")};
  std::unique_ptr<Catalog> catalog_ = *adapters::open_catalog_sqlite(":memory:", adapters::CatalogMode::create);
  std::array<std::unique_ptr<crypto::KeyProvider>, 3> keys_;
  MemoryBlobs blobs_;
  Ports ports_{blobs_, *catalog_, {}, clock_};
  Policies policies_;
  Principal ian_ = person("ian"), ann_ = person("ann"), bob_ = person("bob"), paula_ = person("paula");
};

}  // namespace hauberk::registry
