// The services on what ships: blobs encrypted on the disk, the catalogue in a file, and a process that dies on the way.
#include <signal.h>
#include <sys/wait.h>

#include "adapters/blobs_sealed.h"
#include "support.h"

namespace hauberk::registry {
namespace {

namespace fs = std::filesystem;

class Sealed : public RegistryTest {
 protected:
  Sealed() { open(adapters::CatalogMode::create); }
  void open(adapters::CatalogMode mode) {
    file_catalog_.reset();
    sealed_ = store();
    file_catalog_ = *adapters::open_catalog_sqlite(path("data/catalog.db"), mode);
  }
  static Secret address_key() { return Secret(SeededRandom(77).bytes(32)); }
  std::unique_ptr<BlobStore> store(std::string tenant = "default") {
    return *adapters::open_blobs_sealed(files_, random_, path("data/blobs"), address_key(), std::move(tenant));
  }
  std::string file_of(const BlobStore& blobs, const Digest& digest) {
    const auto hex = blobs.address_of(digest).hex();
    return path("data/blobs/tenants/" + blobs.tenant() + "/" + hex.substr(0, 2) + "/" + hex + ".floe");
  }
  void put(const std::string& file, const std::string& content) {
    ASSERT_TRUE(files_.make_directories(parent_directory(file)));
    ASSERT_TRUE(write_file_atomically(files_, file, as_bytes(content)));
  }
  Status read_whole(const Ports& ports, const ManifestFile& file) {
    auto reader = TRY(open_for_scan(ports, file));
    TRY(read_verified(*reader, file.digest, 1 << 24));
    return {};
  }
  Ports ports() { return {*sealed_, *file_catalog_, ports_.keys, clock_}; }
  Result<Imported> bring(const std::string& name, std::string_view content) {
    write("offered/" + name, content);
    auto source = *open_source(path("offered/" + name));
    return import_artifact(ports(), *source, {.name = name}, ian_);
  }
  std::string everything_on_disk() {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path("data")))
      if (entry.is_regular_file()) all += read(entry.path().string());
    return all;
  }

  std::unique_ptr<BlobStore> sealed_;
  std::unique_ptr<Catalog> file_catalog_;
};

TEST_F(Sealed, a_model_travels_from_file_to_production_and_is_never_on_the_disk_in_the_clear) {
  constexpr std::string_view canary = "CANARY-OF-THE-WEIGHTS";
  std::string content;
  while (content.size() < 3'000'000) content += canary;
  const auto imported = bring("magika", content);
  ASSERT_TRUE(imported) << imported.error().text();
  const auto version = ref(imported->version);
  ASSERT_TRUE(record_scan(ports(), policies_, version, report("CLEAN"), ian_));
  ASSERT_TRUE(approve(ports(), policies_, version, "", ann_));
  ASSERT_TRUE(
      promote(ports(), policies_, {.version = version, .target = Environment::staging}, paula_)->decision.allow);
  ASSERT_TRUE(approve(ports(), policies_, version, "", bob_));
  ASSERT_TRUE(
      promote(ports(), policies_, {.version = version, .target = Environment::production}, paula_)->decision.allow);

  open(adapters::CatalogMode::open);  // as the next process will
  const auto artifact = imported->version.manifest.digest();
  for (const auto environment : all_environments) {
    const auto loaded = load_for_serving(ports(), policies_, environment, version, artifact, 4 << 20);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(as_text(loaded->files.at(0).content), content);
  }
  EXPECT_EQ(everything_on_disk().find(canary), std::string::npos);
}

TEST_F(Sealed, keys_of_another_house_open_nothing) {
  const auto imported = bring("magika", "weights");
  ASSERT_TRUE(record_scan(ports(), policies_, ref(imported->version), report("CLEAN"), ian_));
  const auto strangers = crypto::make_memory_keys(random_);
  auto wrong = ports();
  wrong.keys.set(Environment::dev, *strangers);
  const auto artifact = imported->version.manifest.digest();
  const auto loaded = load_for_serving(wrong, policies_, Environment::dev, ref(imported->version), artifact, 1 << 20);
  EXPECT_EQ(loaded.error().code, Errc::denied);  // the evidence does not count
  EXPECT_FALSE(open_for_scan(wrong, imported->version.manifest.files[0]));
}

TEST_F(Sealed, notices_a_byte_that_was_changed_on_the_disk) {
  const auto imported = bring("magika", std::string(200'000, 'w'));
  ASSERT_TRUE(record_scan(ports(), policies_, ref(imported->version), report("CLEAN"), ian_));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("data/blobs")))
    if (entry.is_regular_file()) {
      auto content = read(entry.path().string());
      content[content.size() / 2] ^= 1;
      ASSERT_TRUE(write_file_atomically(files_, entry.path().string(), as_bytes(content)));
    }
  const auto loaded = load_for_serving(ports(), policies_, Environment::dev, ref(imported->version),
                                       imported->version.manifest.digest(), 1 << 20);
  EXPECT_EQ(loaded.error().code, Errc::corrupt);
}

// What somebody can do who writes the disk and the catalogue, but has no key.
TEST_F(Sealed, blobs_and_keys_that_were_exchanged_replayed_or_moved_are_noticed) {
  const auto a = bring("one", "the weights of one").value().version.manifest.files[0];
  const auto b = bring("two", "the weights of two").value().version.manifest.files[0];
  const auto key_a = **file_catalog_->wrapped_key(a.digest, Environment::dev);
  const auto key_b = **file_catalog_->wrapped_key(b.digest, Environment::dev);
  const auto file_a = read(file_of(*sealed_, a.digest)), file_b = read(file_of(*sealed_, b.digest));
  const auto moved = [](const WrappedKey& key, const Digest& to, Environment environment) {
    return WrappedKey{to, environment, key.key_id, key.wrapped};
  };
  const auto outcome = [&](const ManifestFile& file) {
    const auto done = read_whole(ports(), file);
    return done ? std::optional<Errc>() : done.error().code;
  };
  ASSERT_EQ(outcome(a), std::nullopt);

  put(file_of(*sealed_, a.digest), file_b);
  EXPECT_EQ(outcome(a), Errc::corrupt) << "another blob's file";
  ASSERT_TRUE(file_catalog_->put_wrapped_keys({moved(key_b, a.digest, Environment::dev)}));
  EXPECT_EQ(outcome(a), Errc::corrupt) << "another blob's file and its key";
  put(file_of(*sealed_, a.digest), file_a);
  EXPECT_EQ(outcome(a), Errc::corrupt) << "another blob's key";
  ASSERT_TRUE(file_catalog_->put_wrapped_keys({key_a}));
  ASSERT_EQ(outcome(a), std::nullopt);

  for (const auto environment : {Environment::staging, Environment::production}) {
    ASSERT_TRUE(file_catalog_->put_wrapped_keys({moved(key_a, a.digest, environment)}));
    const auto opened = unwrap_from(ports(), a.digest, environment);
    ASSERT_FALSE(opened) << "dev's key opens nothing elsewhere";
    EXPECT_EQ(opened.error().code, Errc::denied);
  }

  // Written anew under another data key: what was there before belongs to no key any more.
  fs::remove(file_of(*sealed_, a.digest));
  ASSERT_TRUE(bring("again", "the weights of one"));
  ASSERT_EQ(outcome(a), std::nullopt);
  const auto file_new = read(file_of(*sealed_, a.digest));
  put(file_of(*sealed_, a.digest), file_a);
  EXPECT_EQ(outcome(a), Errc::corrupt) << "an earlier file put back";
  put(file_of(*sealed_, a.digest), file_new);
  ASSERT_TRUE(file_catalog_->put_wrapped_keys({key_a}));
  EXPECT_EQ(outcome(a), Errc::corrupt) << "an earlier key put back";
  put(file_of(*sealed_, a.digest), file_a);
  EXPECT_EQ(outcome(a), std::nullopt) << "both put back: the same content, which its digest proves";
}

TEST_F(Sealed, nothing_of_one_tenant_opens_for_another) {
  const auto file = bring("one", "the weights of one").value().version.manifest.files[0];
  const auto theirs = store("theirs");
  const Ports of_theirs{*theirs, *file_catalog_, ports_.keys, clock_};
  EXPECT_EQ(theirs->list()->size(), 0u);
  EXPECT_EQ(open_for_scan(of_theirs, file).error().code, Errc::corrupt) << "the key is bound to the tenant";
  put(file_of(*theirs, file.digest), read(file_of(*sealed_, file.digest)));
  EXPECT_EQ(open_for_scan(of_theirs, file).error().code, Errc::corrupt) << "with its file moved there too";
  EXPECT_TRUE(read_whole(ports(), file));
}

TEST_F(Sealed, keys_that_were_wrapped_before_there_were_tenants_open_for_the_default_one_only) {
  const auto file = bring("one", "the weights of one").value().version.manifest.files[0];
  const auto data_key = unwrap_from(ports(), file.digest, Environment::dev);
  auto& keys = **ports_.keys.need(Environment::dev);
  const auto old = WrappedKey{
      file.digest, Environment::dev, *keys.key_id(crypto::KeyPurpose::wrap),
      *keys.wrap(*data_key, as_bytes("hauberk data key v1\n" + file.digest.text() + "\ndev\n"))};
  ASSERT_TRUE(file_catalog_->put_wrapped_keys({old}));
  EXPECT_TRUE(read_whole(ports(), file));
  const auto theirs = store("theirs");
  EXPECT_EQ(unwrap_from({*theirs, *file_catalog_, ports_.keys, clock_}, file.digest, Environment::dev).error().code,
            Errc::corrupt);
}

TEST_F(Sealed, an_import_that_is_killed_at_any_moment_can_be_done_again) {
  const auto content = [](int round, int i) { return std::to_string(round * 1000 + i) + std::string(300'000, 'w'); };
  unsigned seed = 7;
  for (int round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      open(adapters::CatalogMode::open);
      for (int i = 0; i < 1000; ++i)
        if (!bring("model", content(round, i))) ::_exit(1);
      ::_exit(0);
    }
    seed = seed * 1664525 + 1013904223;
    ::usleep(5'000 + seed % 50'000);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

    open(adapters::CatalogMode::open);
    const auto versions = *file_catalog_->versions("model");
    for (const auto& version : versions) {
      auto reader = open_for_scan(ports(), version.manifest.files[0]);
      ASSERT_TRUE(reader) << version.ref() << ": " << reader.error().text();
      EXPECT_TRUE(read_verified(**reader, version.manifest.files[0].digest, 1 << 20));
    }
    for (int i = 0;; ++i) {  // up to the one that was under way, and it
      const auto again = bring("model", content(round, i));
      if (!again && again.error().code == Errc::exists) continue;
      ASSERT_TRUE(again) << again.error().text();
      auto reader = open_for_scan(ports(), again->version.manifest.files[0]);
      ASSERT_TRUE(reader) << reader.error().text();
      EXPECT_TRUE(read_verified(**reader, again->version.manifest.files[0].digest, 1 << 20));
      break;
    }
  }
}

}  // namespace
}  // namespace hauberk::registry
