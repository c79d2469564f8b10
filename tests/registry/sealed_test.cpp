// The services on what ships: blobs encrypted on the disk, the catalogue in a file, and a process that dies on the way.
#include <signal.h>
#include <sys/wait.h>

#include "adapters/blobs_sealed.h"
#include "support.h"

namespace hauberk::registry {
namespace {

class Sealed : public RegistryTest {
 protected:
  Sealed() { open(adapters::CatalogMode::create); }
  void open(adapters::CatalogMode mode) {
    file_catalog_.reset();
    sealed_ = *adapters::open_blobs_sealed(files_, random_, path("data/blobs"), address_key());
    file_catalog_ = *adapters::open_catalog_sqlite(path("data/catalog.db"), mode);
  }
  Secret address_key() { return *adapters::open_address_key(files_, random_, path("data/address.key"), path("data/blobs")); }
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
