#include "adapters/catalog_sqlite.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "adapters/catalog_sqlite_schema.h"
#include "base/file.h"
#include "base/sync.h"

namespace hauberk::adapters {
namespace {

const Instant noon = *parse_rfc3339("2026-11-24T12:00:00Z");

Version make_version(std::string name, std::string_view content) {
  Manifest manifest{ArtifactKind::model, {{"model.onnx", content.size(), crypto::sha256(as_bytes(content))}}};
  return {std::move(name), 0, VersionState::quarantined, std::move(manifest), "ian", noon, "model.onnx"};
}
Evidence make_evidence(std::string_view text) {
  return {crypto::sha256(as_bytes(text)), {}, std::string(text), "ed25519:0"};
}
WrappedKey make_key(const Digest& blob, Environment environment, std::string_view value) {
  return {blob, environment, "aes256:1", to_bytes(value)};
}
DeploymentEntry entry_for(const Version& version, std::string_view config = "{}") {
  return {0, {version.name, version.number, version.manifest.digest(), *json::parse(config)}, noon, "paula", "promote"};
}
StateChange change(const Version& version, VersionState from, VersionState to) {
  return {{version.name, version.number}, from, to, {}, {}, {}, {}, {}};
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/hauberk_catalog_XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() {
    SystemFiles files;
    for (const auto& name : files.list(path_).value_or(std::vector<std::string>{}))
      (void)files.remove(join_path(path_, name));
    ::rmdir(path_.c_str());
  }
  std::string file(std::string_view name = "catalog.db") const { return join_path(path_, name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The contract that every implementation of the port passes; here on a file and in memory.
class CatalogContract : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto opened = open_catalog_sqlite(GetParam() ? folder_.file() : ":memory:", CatalogMode::create);
    ASSERT_TRUE(opened) << opened.error().text();
    catalog_ = *std::move(opened);
  }
  Version add(std::string name, std::string_view content) {
    auto added = catalog_->add_version(make_version(std::move(name), content), {}, {});
    EXPECT_TRUE(added);
    return *added;
  }
  // Up the table as far as `to`.
  Version raise(Version version, VersionState to) {
    using enum VersionState;
    for (const auto next : {scanned, approved, staging, production, retired}) {
      if (version.state == to) break;
      EXPECT_TRUE(catalog_->change_state(change(version, version.state, next)));
      version.state = next;
    }
    return version;
  }
  Folder folder_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_P(CatalogContract, gives_back_a_version_as_it_was_added) {
  auto wanted = make_version("magika", "one");
  const auto added = catalog_->add_version(
      wanted, {make_key(wanted.manifest.files[0].digest, Environment::dev, "wrapped")}, {make_evidence("import")});
  ASSERT_TRUE(added) << added.error().text();
  EXPECT_EQ(added->number, 1u);
  for (const std::uint32_t number : {0u, 1u}) {
    const auto found = catalog_->version({"magika", number});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->ref(), "magika@1");
    EXPECT_EQ(found->state, VersionState::quarantined);
    EXPECT_EQ(found->manifest, wanted.manifest);
    EXPECT_EQ(found->imported_by, "ian");
    EXPECT_EQ(found->imported, noon);
    EXPECT_EQ(found->origin, "model.onnx");
  }
  EXPECT_EQ(catalog_->evidence(wanted.manifest.digest()), std::vector<std::string>{"import"});
  const auto key = catalog_->wrapped_key(wanted.manifest.files[0].digest, Environment::dev);
  ASSERT_TRUE(key && *key);
  EXPECT_EQ((*key)->wrapped, to_bytes("wrapped"));
  EXPECT_EQ((*key)->key_id, "aes256:1");
  EXPECT_EQ(*catalog_->wrapped_key(wanted.manifest.files[0].digest, Environment::production), std::nullopt);
}

TEST_P(CatalogContract, numbers_versions_by_name_and_lists_them_in_order) {
  add("b", "one");
  add("a", "one");
  add("b", "two");
  std::vector<std::string> all, only_b;
  const auto everything = catalog_->versions(""), of_b = catalog_->versions("b");
  ASSERT_TRUE(everything && of_b);
  for (const auto& version : *everything) all.push_back(version.ref());
  for (const auto& version : *of_b) only_b.push_back(version.ref());
  EXPECT_EQ(all, (std::vector<std::string>{"a@1", "b@1", "b@2"}));
  EXPECT_EQ(only_b, (std::vector<std::string>{"b@1", "b@2"}));
  EXPECT_EQ(catalog_->version({"b", 0})->number, 2u);
  EXPECT_TRUE(catalog_->versions("c")->empty());
}

TEST_P(CatalogContract, refuses_the_same_content_twice_under_one_name) {
  add("magika", "one");
  const auto again = catalog_->add_version(make_version("magika", "one"), {}, {make_evidence("second")});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::exists);
  EXPECT_EQ(again.error().message, "these very files are already magika@1");
  EXPECT_TRUE(catalog_->evidence(make_version("magika", "one").manifest.digest())->empty());
}

TEST_P(CatalogContract, refuses_a_new_version_that_is_not_quarantined_or_badly_named) {
  auto ahead = make_version("magika", "one");
  ahead.state = VersionState::production;
  EXPECT_EQ(catalog_->add_version(ahead, {}, {}).error().code, Errc::invalid);
  EXPECT_EQ(catalog_->add_version(make_version("../x", "one"), {}, {}).error().code, Errc::invalid);
}

TEST_P(CatalogContract, answers_not_found_for_what_is_not_there) {
  EXPECT_EQ(catalog_->version({"none", 0}).error().code, Errc::not_found);
  EXPECT_EQ(catalog_->change_state(change(make_version("none", "x"), VersionState::quarantined, VersionState::scanned))
                .error()
                .code,
            Errc::not_found);
  EXPECT_EQ(catalog_->deployment(Environment::dev, "none").error().code, Errc::not_found);
  EXPECT_EQ(catalog_->point_at(Environment::dev, "none", 1, 2, {}, {}).error().code, Errc::not_found);
  EXPECT_EQ(catalog_->revoke_token(Environment::dev, "none", noon, Digest{}).error().code, Errc::not_found);
  EXPECT_TRUE(catalog_->deployments(Environment::dev)->empty());
  EXPECT_TRUE(catalog_->tokens(Environment::dev)->empty());
  EXPECT_TRUE(catalog_->evidence(Digest{})->empty());
}

TEST_P(CatalogContract, keeps_the_first_key_of_a_blob_until_it_is_replaced) {
  const auto blob = crypto::sha256(as_bytes("blob"));
  ASSERT_TRUE(catalog_->add_version(make_version("a", "1"), {make_key(blob, Environment::dev, "first")}, {}));
  ASSERT_TRUE(catalog_->add_version(make_version("b", "1"), {make_key(blob, Environment::dev, "second")}, {}));
  EXPECT_EQ((*catalog_->wrapped_key(blob, Environment::dev))->wrapped, to_bytes("first"));
  ASSERT_TRUE(catalog_->put_wrapped_keys(
      {make_key(blob, Environment::dev, "third"), make_key(blob, Environment::staging, "staging")}));
  EXPECT_EQ((*catalog_->wrapped_key(blob, Environment::dev))->wrapped, to_bytes("third"));
  EXPECT_EQ((*catalog_->wrapped_key(blob, Environment::staging))->wrapped, to_bytes("staging"));
}

TEST_P(CatalogContract, changes_a_state_with_all_that_belongs_to_it) {
  const auto version = raise(add("magika", "one"), VersionState::approved);
  const auto blob = version.manifest.files[0].digest;
  auto step = change(version, VersionState::approved, VersionState::staging);
  step.evidence = {make_evidence("promotion")};
  step.keys = {make_key(blob, Environment::staging, "rewrapped")};
  step.environment = Environment::staging;
  step.deployment = "classify";
  step.entry = entry_for(version, R"({"guards":["authn"]})");
  ASSERT_TRUE(catalog_->change_state(step));
  EXPECT_EQ(catalog_->version({"magika", 1})->state, VersionState::staging);
  EXPECT_EQ(catalog_->evidence(version.manifest.digest()), std::vector<std::string>{"promotion"});
  EXPECT_EQ((*catalog_->wrapped_key(blob, Environment::staging))->wrapped, to_bytes("rewrapped"));
  const auto deployment = catalog_->deployment(Environment::staging, "classify");
  ASSERT_TRUE(deployment);
  ASSERT_NE(deployment->entry(), nullptr);
  EXPECT_EQ(deployment->entry()->spec, step.entry->spec);
  EXPECT_EQ(deployment->entry()->by, "paula");
  EXPECT_EQ(deployment->entry()->time, noon);
  EXPECT_TRUE(catalog_->deployments(Environment::production)->empty());
}

TEST_P(CatalogContract, changes_nothing_where_a_step_is_refused) {
  const auto version = add("magika", "one");
  auto stale = change(version, VersionState::scanned, VersionState::approved);
  stale.evidence = {make_evidence("stale")};
  EXPECT_EQ(catalog_->change_state(stale).error().code, Errc::precondition);
  auto skipping = change(version, VersionState::quarantined, VersionState::production);
  skipping.evidence = {make_evidence("skipping")};
  EXPECT_EQ(catalog_->change_state(skipping).error().code, Errc::precondition);
  auto half = change(version, VersionState::quarantined, VersionState::scanned);
  half.entry = entry_for(version);
  EXPECT_EQ(catalog_->change_state(half).error().code, Errc::invalid);
  auto foreign =
      change(version, VersionState::quarantined, VersionState::scanned);  // fails in its last part: all of it is undone
  foreign.evidence = {make_evidence("foreign")};
  foreign.environment = Environment::dev;
  foreign.deployment = "magika";
  foreign.entry = entry_for(make_version("other", "two"));
  EXPECT_EQ(catalog_->change_state(foreign).error().code, Errc::not_found);
  EXPECT_EQ(catalog_->version({"magika", 1})->state, VersionState::quarantined);
  EXPECT_TRUE(catalog_->evidence(version.manifest.digest())->empty());
}

TEST_P(CatalogContract, keeps_evidence_in_order_and_once) {
  const auto about = crypto::sha256(as_bytes("x"));
  ASSERT_TRUE(catalog_->add_evidence(about, {make_evidence("b"), make_evidence("a")}));
  ASSERT_TRUE(catalog_->add_evidence(about, {make_evidence("a"), make_evidence("c")}));
  ASSERT_TRUE(catalog_->add_evidence(Digest{}, {make_evidence("a")}));  // the same envelope may speak of two digests
  EXPECT_EQ(catalog_->evidence(about), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_EQ(catalog_->evidence(Digest{}), std::vector<std::string>{"a"});
}

TEST_P(CatalogContract, keeps_each_deployments_history_apart) {
  const auto version = add("magika", "one");
  EXPECT_EQ(catalog_->deploy(Environment::dev, "one", entry_for(version)), 1u);
  EXPECT_EQ(catalog_->deploy(Environment::dev, "one", entry_for(version, R"({"n":2})")), 2u);
  EXPECT_EQ(catalog_->deploy(Environment::dev, "two", entry_for(version)), 1u);
  EXPECT_EQ(catalog_->deploy(Environment::production, "one", entry_for(version)), 1u);
  const auto deployments = catalog_->deployments(Environment::dev);
  ASSERT_TRUE(deployments);
  ASSERT_EQ(deployments->size(), 2u);
  EXPECT_EQ((*deployments)[0].name, "one");
  EXPECT_EQ((*deployments)[0].current, 2u);
  EXPECT_EQ((*deployments)[0].history.size(), 2u);
  EXPECT_EQ((*deployments)[0].history[1].spec.config, *json::parse(R"({"n":2})"));
}

TEST_P(CatalogContract, takes_an_upstream_without_a_version) {
  const DeploymentEntry upstream{
      0, {"", 0, {}, *json::parse(R"({"upstream":"http://127.0.0.1:1"})")}, noon, "paula", "configuration"};
  ASSERT_TRUE(catalog_->deploy(Environment::dev, "chat", upstream));
  EXPECT_EQ(catalog_->deployment(Environment::dev, "chat")->entry()->spec, upstream.spec);
}

TEST_P(CatalogContract, moves_a_pointer_only_from_where_the_caller_saw_it) {
  const auto version = add("magika", "one");
  ASSERT_TRUE(catalog_->deploy(Environment::dev, "m", entry_for(version)));
  ASSERT_TRUE(catalog_->deploy(Environment::dev, "m", entry_for(version, R"({"n":2})")));
  const auto artifact = version.manifest.digest();
  EXPECT_EQ(catalog_->point_at(Environment::dev, "m", 1, 1, {make_evidence("stale")}, artifact).error().code,
            Errc::precondition);
  EXPECT_EQ(catalog_->point_at(Environment::dev, "m", 2, 9, {make_evidence("nowhere")}, artifact).error().code,
            Errc::not_found);
  EXPECT_TRUE(catalog_->evidence(artifact)->empty());
  ASSERT_TRUE(catalog_->point_at(Environment::dev, "m", 2, 1, {make_evidence("rollback")}, artifact));
  const auto deployment = catalog_->deployment(Environment::dev, "m");
  EXPECT_EQ(deployment->current, 1u);
  EXPECT_EQ(deployment->history.size(), 2u);
  EXPECT_EQ(catalog_->evidence(artifact), std::vector<std::string>{"rollback"});
  EXPECT_EQ(catalog_->deploy(Environment::dev, "m", entry_for(version, R"({"n":3})")), 3u);  // never an old id again
}

TEST_P(CatalogContract, does_not_point_at_a_revoked_version) {
  const auto first = add("magika", "one"), second = add("magika", "two");
  ASSERT_TRUE(catalog_->deploy(Environment::dev, "m", entry_for(first)));
  ASSERT_TRUE(catalog_->deploy(Environment::dev, "m", entry_for(second)));
  ASSERT_TRUE(catalog_->change_state(change(first, VersionState::quarantined, VersionState::revoked)));
  EXPECT_EQ(catalog_->point_at(Environment::dev, "m", 2, 1, {}, first.manifest.digest()).error().code,
            Errc::precondition);
  EXPECT_EQ(catalog_->deployment(Environment::dev, "m")->current, 2u);
}

TEST_P(CatalogContract, keeps_tokens_by_environment) {
  TokenRecord token{"abcdefghijkl",
                    Environment::dev,
                    "ci",
                    {{"infer", "fraud-*"}, {"read", "*"}},
                    Bytes(32, 7),
                    noon,
                    noon + std::chrono::hours(1),
                    {}};
  token.made_by = {"alice", "os:root"};
  token.mark = Bytes(32, 9);
  ASSERT_TRUE(catalog_->add_token(token));
  EXPECT_EQ(catalog_->add_token(token).error().code, Errc::exists);
  EXPECT_TRUE(catalog_->tokens(Environment::production)->empty());
  EXPECT_EQ(catalog_->revoke_token(Environment::production, token.id, noon, Digest{}).error().code, Errc::not_found);
  auto found = catalog_->tokens(Environment::dev);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].subject, "ci");
  EXPECT_EQ((*found)[0].scopes, token.scopes);
  EXPECT_EQ((*found)[0].mac, token.mac);
  EXPECT_EQ((*found)[0].made_by, token.made_by);
  EXPECT_EQ((*found)[0].mark, token.mark);
  EXPECT_EQ((*found)[0].created, noon);
  EXPECT_EQ((*found)[0].expires, token.expires);
  EXPECT_EQ((*found)[0].revoked, std::nullopt);
  ASSERT_TRUE(catalog_->revoke_token(Environment::dev, token.id, noon, Digest{}));
  ASSERT_TRUE(catalog_->revoke_token(Environment::dev, token.id, noon + std::chrono::hours(5), Digest{}));
  EXPECT_EQ(catalog_->tokens(Environment::dev)->front().revoked, noon);
}

TEST_P(CatalogContract, counts_every_change_and_no_refusal) {
  auto before = *catalog_->change_counter();
  const auto changed = [&] {
    const auto now = *catalog_->change_counter();
    return std::exchange(before, now) != now;
  };
  EXPECT_FALSE(changed());
  const auto version = add("magika", "one");
  EXPECT_TRUE(changed());
  EXPECT_FALSE(catalog_->add_version(make_version("magika", "one"), {}, {}));
  EXPECT_FALSE(changed());
  EXPECT_TRUE(catalog_->change_state(change(version, VersionState::quarantined, VersionState::scanned)));
  EXPECT_TRUE(changed());
  EXPECT_TRUE(catalog_->add_evidence(Digest{}, {make_evidence("x")}));
  EXPECT_TRUE(changed());
  EXPECT_TRUE(catalog_->deploy(Environment::dev, "m", entry_for(version)));
  EXPECT_TRUE(changed());
  EXPECT_TRUE(catalog_->put_wrapped_keys({}));
  EXPECT_TRUE(changed());
}

TEST_P(CatalogContract, may_be_used_by_several_threads) {
  constexpr std::size_t threads = 4, each = 20;
  std::vector<Thread> running;
  for (std::size_t t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      for (std::size_t i = 0; i < each; ++i) {
        EXPECT_TRUE(catalog_->add_version(make_version("magika", std::to_string(t * 1000 + i)), {}, {}));
        EXPECT_TRUE(catalog_->versions("magika"));
        EXPECT_TRUE(catalog_->change_counter());
      }
    });
  running.clear();  // joins
  EXPECT_EQ(catalog_->versions("magika")->size(), threads * each);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, CatalogContract, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "file" : "memory"; });

// What only a file can show.
class CatalogFile : public testing::Test {
 protected:
  std::unique_ptr<Catalog> open(CatalogMode mode = CatalogMode::open) {
    auto opened = open_catalog_sqlite(folder_.file(), mode);
    EXPECT_TRUE(opened) << opened.error().text();
    return opened ? *std::move(opened) : nullptr;
  }
  Error refusal(CatalogMode mode = CatalogMode::open) {
    const auto opened = open_catalog_sqlite(folder_.file(), mode);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }
  void fill(int versions) {
    const auto catalog = open(CatalogMode::create);
    for (int i = 0; i < versions; ++i)
      ASSERT_TRUE(catalog->add_version(make_version("magika", std::to_string(i)), {},
                                       {make_evidence(std::string(500, 'e') + std::to_string(i))}));
  }
  void sql(const char* text) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(folder_.file().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, text, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  off_t size() {
    struct stat info{};
    EXPECT_EQ(::stat(folder_.file().c_str(), &info), 0);
    return info.st_size;
  }
  Folder folder_;
};

TEST_F(CatalogFile, keeps_everything_when_it_is_closed_and_opened) {
  fill(3);
  EXPECT_EQ(open()->versions("")->size(), 3u);
}

TEST_F(CatalogFile, is_readable_by_its_owner_alone) {
  const auto catalog = open(CatalogMode::create);
  ASSERT_TRUE(catalog->add_version(make_version("magika", "x"), {}, {}));
  for (const auto suffix : {"", "-wal", "-shm"}) {
    struct stat info{};
    ASSERT_EQ(::stat((folder_.file() + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(CatalogFile, is_not_made_where_one_is_missing_and_not_replaced_where_one_is) {
  EXPECT_EQ(refusal().code, Errc::not_found);
  EXPECT_NE(::access(folder_.file().c_str(), F_OK), 0);
  fill(1);
  EXPECT_EQ(refusal(CatalogMode::create).code, Errc::exists);
  EXPECT_EQ(open()->versions("")->size(), 1u);
}

TEST_F(CatalogFile, whose_making_was_interrupted_is_finished_by_the_next_attempt) {
  sql("PRAGMA journal_mode = WAL");
  EXPECT_GT(size(), 0);
  EXPECT_EQ(refusal().code, Errc::not_found);
  EXPECT_NE(open(CatalogMode::create), nullptr);
}

TEST_F(CatalogFile, that_was_emptied_is_not_taken_for_a_new_one) {
  fill(1);
  ASSERT_EQ(::truncate(folder_.file().c_str(), 0), 0);
  const auto error = refusal();
  EXPECT_EQ(error.code, Errc::corrupt);
  EXPECT_NE(error.message.find("restore the last backup"), std::string::npos);
  EXPECT_EQ(size(), 0);
}

TEST_F(CatalogFile, that_was_cut_off_anywhere_is_refused_and_left_as_it_is) {
  fill(60);
  const auto whole = size();
  for (const auto left : {whole - 1, whole - 4096, whole / 2, off_t{4096}, off_t{1000}, off_t{100}, off_t{15}}) {
    ASSERT_EQ(::truncate(folder_.file().c_str(), left), 0);
    const auto error = refusal();
    EXPECT_EQ(error.code, Errc::corrupt) << left << " of " << whole << ": " << error.text();
    EXPECT_NE(error.message.find("restore the last backup"), std::string::npos) << error.text();
    EXPECT_EQ(size(), left);
  }
}

TEST_F(CatalogFile, with_overwritten_pages_is_refused) {
  fill(60);
  const int fd = ::open(folder_.file().c_str(), O_RDWR);
  ASSERT_GE(fd, 0);
  const Bytes noise(4096, 0xa5);
  ASSERT_EQ(::pwrite(fd, noise.data(), noise.size(), 4096 * 5), 4096);
  ::close(fd);
  EXPECT_EQ(refusal().code, Errc::corrupt);
}

TEST_F(CatalogFile, of_another_program_or_no_database_at_all_is_refused) {
  sql("CREATE TABLE somebody_elses (x)");
  EXPECT_EQ(refusal().code, Errc::corrupt);
  EXPECT_EQ(refusal(CatalogMode::create).code, Errc::exists);
  SystemFiles files;
  ASSERT_TRUE(write_file_atomically(files, folder_.file(), as_bytes(std::string(5000, 'x'))));
  EXPECT_EQ(refusal().code, Errc::corrupt);
  EXPECT_EQ(refusal(CatalogMode::create).code, Errc::corrupt);
}

TEST_F(CatalogFile, of_the_first_schema_is_brought_up_and_keeps_its_tokens) {
  fill(1);
  const TokenRecord token{"abcdefghjkmn", Environment::dev, "ci", {{"infer", "*"}}, Bytes(32, 7), Instant(), {}, {}};
  ASSERT_TRUE(open()->add_token(token));
  sql("DROP TABLE roles; DROP TABLE bindings; DROP TABLE revocations; ALTER TABLE tokens DROP COLUMN service;"
      "ALTER TABLE tokens DROP COLUMN inherit; ALTER TABLE tokens DROP COLUMN made_by; ALTER TABLE tokens DROP COLUMN "
      "mark;"
      "PRAGMA user_version = 1");
  const auto catalog = open();
  const auto tokens = catalog->tokens(Environment::dev);
  ASSERT_TRUE(tokens);
  ASSERT_EQ(tokens->size(), 1u);
  EXPECT_EQ(tokens->front().subject, "ci");
  EXPECT_FALSE(tokens->front().service || tokens->front().inherit);
  EXPECT_TRUE(catalog->bind({Environment::dev, "ci", "viewer"}));
}

TEST_F(CatalogFile, keeps_roles_and_who_has_them_apart_by_environment) {
  fill(1);
  const auto catalog = open();
  const CustomRole role{Environment::dev, "tester", {{"read", "*"}, {"import", "m-*"}}, "tries"};
  ASSERT_TRUE(catalog->put_role(role));
  EXPECT_EQ(*catalog->roles(Environment::dev), std::vector{role});
  EXPECT_TRUE(catalog->roles(Environment::staging)->empty());
  auto changed = role;
  changed.grants.pop_back();
  ASSERT_TRUE(catalog->put_role(changed));
  EXPECT_EQ(*catalog->roles(Environment::dev), std::vector{changed});

  const Binding binding{Environment::dev, "tess", "tester", "m-*"};
  ASSERT_TRUE(catalog->bind(binding));
  EXPECT_EQ(catalog->bind(binding).error().code, Errc::exists);
  EXPECT_EQ(*catalog->bindings(Environment::dev), std::vector{binding});
  EXPECT_TRUE(catalog->bindings(Environment::production)->empty());
  EXPECT_EQ(catalog->remove_role(Environment::dev, "tester").error().code, Errc::precondition);
  EXPECT_EQ(catalog->unbind({Environment::staging, "tess", "tester", "m-*"}).error().code, Errc::not_found);
  const auto before = *catalog->change_counter();
  ASSERT_TRUE(catalog->unbind(binding));
  EXPECT_GT(*catalog->change_counter(), before);
  ASSERT_TRUE(catalog->remove_role(Environment::dev, "tester"));
  EXPECT_EQ(catalog->remove_role(Environment::dev, "tester").error().code, Errc::not_found);
}

TEST_F(CatalogFile, keeps_revocations_for_good) {
  fill(1);
  const auto catalog = open();
  const Revocation one{Environment::dev, Revocable::key, "ed25519:0123456789abcdef", "lost", Instant()};
  ASSERT_TRUE(catalog->add_revocation(one, "olga"));
  EXPECT_EQ(catalog->add_revocation(one, "olga").error().code, Errc::exists);
  EXPECT_EQ(*catalog->revocations(Environment::dev), std::vector{one});
  EXPECT_TRUE(catalog->revocations(Environment::production)->empty());
  // It turns out that the key was lost earlier: that is added; a later time would add nothing.
  auto earlier = one, later = one;
  earlier.since = one.since - std::chrono::hours(1);
  later.since = one.since + std::chrono::hours(1);
  ASSERT_TRUE(catalog->add_revocation(earlier, "olga"));
  EXPECT_EQ(catalog->add_revocation(later, "olga").error().code, Errc::exists);
  EXPECT_EQ(*catalog->revocations(Environment::dev), (std::vector{one, earlier}));
}

TEST_F(CatalogFile, keeps_the_revocations_of_the_schema_before) {
  fill(1);
  const Revocation one{Environment::dev, Revocable::key, "ed25519:0123456789abcdef", "lost", Instant()};
  ASSERT_TRUE(open()->add_revocation(one, "olga"));
  sql("ALTER TABLE tokens DROP COLUMN made_by; ALTER TABLE tokens DROP COLUMN mark; ALTER TABLE roles DROP COLUMN seal;"
      "ALTER TABLE bindings DROP COLUMN seal; PRAGMA user_version = 3");
  EXPECT_EQ(*open()->revocations(Environment::dev), std::vector{one});
}

TEST_F(CatalogFile, takes_a_stored_grant_that_it_does_not_understand_for_none) {
  fill(1);
  const TokenRecord token{"abcdefghjkmn", Environment::dev, "ci", {{"infer", "*"}}, Bytes(32, 7), Instant(), {}, {}};
  ASSERT_TRUE(open()->add_token(token));
  sql("UPDATE tokens SET scopes = '[\"read:team/*\",\"infer:*\"]'");
  const auto tokens = open()->tokens(Environment::dev);
  ASSERT_TRUE(tokens);
  EXPECT_EQ(tokens->front().scopes, (std::vector<Scope>{{"infer", "*"}}));
}

// A copy for an auditor: nothing can be written beside it.
TEST_F(CatalogFile, in_a_folder_that_can_only_be_read_is_read) {
  fill(2);
  const auto folder = std::filesystem::path(folder_.file()).parent_path();
  const auto as_somebody = [&](auto what) {
    ASSERT_EQ(::chmod(folder_.file().c_str(), 0444), 0);
    ASSERT_EQ(::chmod(folder.c_str(), 0555), 0);
    const bool root = ::geteuid() == 0;
    if (root) ASSERT_EQ(::seteuid(65534), 0);
    what();
    if (root) ASSERT_EQ(::seteuid(0), 0);
    ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
    ASSERT_EQ(::chmod(folder_.file().c_str(), 0600), 0);
  };
  as_somebody([&] {
    const auto catalog = open();
    ASSERT_TRUE(catalog);
    EXPECT_EQ(catalog->versions("magika")->size(), 2u);
    EXPECT_FALSE(catalog->add_version(make_version("magika", "more"), {}, {}));
    EXPECT_FALSE(catalog->bind({Environment::dev, "ci", "viewer"}));
  });
  // What a killed writer left beside it is not in the file yet.
  std::ofstream(folder_.file() + "-wal") << "x";
  as_somebody([&] { EXPECT_EQ(refusal().code, Errc::unavailable); });
  std::filesystem::remove(folder_.file() + "-wal");
  sql("PRAGMA user_version = 3");
  as_somebody([&] { EXPECT_EQ(refusal().code, Errc::unsupported); });
}

// Whatever lacks or is no JSON: an error, and neither a crash nor an empty answer.
TEST_F(CatalogFile, without_a_table_or_with_other_values_fails_and_says_so) {
  for (const char* change :
       {"DROP TABLE roles", "DROP TABLE bindings", "DROP TABLE revocations", "DROP TABLE tokens",
        "DROP TABLE deployments", "DROP TABLE evidence", "ALTER TABLE tokens RENAME COLUMN scopes TO sc",
        "UPDATE tokens SET scopes = '['", "UPDATE tokens SET made_by = '{}x'", "UPDATE roles SET grants = 'x'"}) {
    SCOPED_TRACE(change);
    const Folder folder;
    const auto file = folder.file();
    {
      const auto catalog = *open_catalog_sqlite(file, CatalogMode::create);
      const TokenRecord token{"abcdefghjkmn", Environment::dev, "ci", {{"infer", "*"}}, Bytes(32, 7), noon, {}, {}};
      ASSERT_TRUE(catalog->add_token(token));
      ASSERT_TRUE(catalog->put_role({Environment::dev, "tester", {{"read", "*"}}, ""}));
    }
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, change, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
    const auto catalog = open_catalog_sqlite(file, CatalogMode::open);
    ASSERT_TRUE(catalog);
    std::vector<Error> errors;
    const auto look = [&](auto result) {
      if (!result) errors.push_back(result.error());
    };
    look((*catalog)->tokens(Environment::dev));
    look((*catalog)->roles(Environment::dev));
    look((*catalog)->bindings(Environment::dev));
    look((*catalog)->revocations(Environment::dev));
    look((*catalog)->deployments(Environment::dev));
    look((*catalog)->evidence(Digest{}));
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(exit_code(errors[0].code), 3);
  }
}

TEST_F(CatalogFile, with_a_newer_schema_is_refused_and_says_so) {
  fill(1);
  sql("PRAGMA user_version = 999");
  const auto error = refusal();
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_NE(error.message.find("schema 999"), std::string::npos);
}

TEST_F(CatalogFile, notices_a_manifest_that_was_edited) {
  fill(1);
  sql("DROP TRIGGER artifacts_stay; UPDATE artifacts SET manifest = replace(manifest, '\"size\":1', '\"size\":2')");
  EXPECT_EQ(open()->version({"magika", 1}).error().code, Errc::corrupt);
}

TEST_F(CatalogFile, does_not_let_history_be_rewritten) {
  fill(1);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(folder_.file().c_str(), &db), SQLITE_OK);
  for (const auto text :
       {"DELETE FROM evidence", "UPDATE evidence SET envelope = 'x'", "UPDATE artifacts SET manifest = 'x'"})
    EXPECT_EQ(sqlite3_exec(db, text, nullptr, nullptr, nullptr), SQLITE_CONSTRAINT) << text;
  sqlite3_close(db);
}

TEST_F(CatalogFile, shows_changes_of_another_connection) {
  const auto ours = open(CatalogMode::create), theirs = open();
  const auto before = *ours->change_counter();
  ASSERT_TRUE(theirs->add_version(make_version("magika", "x"), {}, {}));
  EXPECT_NE(*ours->change_counter(), before);
  EXPECT_EQ(ours->versions("")->size(), 1u);
}

// Runs `work` in a child process and gives its exit status; 255 if a signal ended it.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST_F(CatalogFile, takes_writes_of_several_processes_at_once) {
  open(CatalogMode::create);
  constexpr int processes = 4, each = 25;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto catalog = open_catalog_sqlite(folder_.file(), CatalogMode::open);
      if (!catalog) ::_exit(1);
      for (int i = 0; i < each; ++i)
        if (!(*catalog)->add_version(make_version("magika", std::to_string(p * 1000 + i)), {}, {})) ::_exit(2);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const auto child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const auto versions = open()->versions("magika");
  ASSERT_TRUE(versions);
  EXPECT_EQ(versions->size(), std::size_t{processes * each});
  EXPECT_EQ(versions->back().number, std::uint32_t{processes * each});
}

TEST_F(CatalogFile, that_cannot_be_written_says_so_and_stays_whole) {
  fill(1);
  const int status = in_child([&] {
    // Root may write anything: be somebody who may only read.
    if (::chmod(folder_.file().c_str(), 0444) != 0 || ::chmod(folder_.path().c_str(), 0555) != 0) return 1;
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 2;
    const auto opened = open_catalog_sqlite(folder_.file(), CatalogMode::open);
    if (!opened) return 3;
    const auto changed = (*opened)->bind({Environment::dev, "ci", "viewer"});
    if (changed || changed.error().code != Errc::unavailable) return 4;
    return changed.error().message.find("read-write") == std::string::npos ? 5 : 0;
  });
  EXPECT_EQ(status, 0);
  ::chmod(folder_.path().c_str(), 0700);
  ::chmod(folder_.file().c_str(), 0600);
  EXPECT_EQ(open()->versions("")->size(), 1u);
}

TEST_F(CatalogFile, on_a_disk_without_room_refuses_the_change_and_loses_nothing) {
  fill(5);
  const int status = in_child([&] {
    auto opened = open_catalog_sqlite(folder_.file(), CatalogMode::open);
    if (!opened) return 1;
    // No file may grow past 64 KiB: writes fail in the middle of a transaction, as on a full disk.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{64 << 10, 64 << 10};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    Status last;
    int added = 0;
    for (; added < 1000 && last; ++added) {
      auto next = (*opened)->add_version(make_version("filler", std::to_string(added)), {},
                                         {make_evidence(std::string(2000, 'f') + std::to_string(added))});
      if (!next) last = std::unexpected(next.error());
    }
    if (last) return 3;
    if (last.error().code != Errc::unavailable && last.error().code != Errc::exhausted) return 4;
    if (last.error().message.find("free space") == std::string::npos &&
        last.error().message.find("make room") == std::string::npos)
      return 5;
    // Reading still works, and what was answered with success is there.
    const auto kept = (*opened)->versions("filler");
    return kept && kept->size() == static_cast<std::size_t>(added) - 1 ? 0 : 6;
  });
  EXPECT_EQ(status, 0);
  const auto catalog = open();
  EXPECT_EQ(catalog->versions("magika")->size(), 5u);
  EXPECT_TRUE(catalog->add_version(make_version("magika", "after"), {}, {}));
}

// Each round walks one version up the table; every step brings one piece of evidence, and two steps an entry. A step
// that was half done would show as a state that does not fit the number of its evidence or entries.
[[noreturn]] void work_until_killed(const std::string& path, int round) {
  using enum VersionState;
  auto opened = open_catalog_sqlite(path, CatalogMode::open);
  if (!opened) ::_exit(1);
  auto& catalog = **opened;
  for (int i = 0;; ++i) {
    const auto content = std::to_string(round) + "." + std::to_string(i);
    auto version = catalog.add_version(make_version("magika", content), {}, {make_evidence(content + "quarantined")});
    if (!version) ::_exit(2);
    for (const auto next : {scanned, approved, staging, production}) {
      auto step = change(*version, version->state, next);
      step.evidence = {make_evidence(content + std::string(name(next)))};
      if (next == staging || next == production) {
        step.environment = next == staging ? Environment::staging : Environment::production;
        step.deployment = "magika";
        step.entry = entry_for(*version);
      }
      if (!catalog.change_state(step)) ::_exit(3);
      version->state = next;
    }
  }
}

TEST_F(CatalogFile, is_consistent_after_kill_9_at_any_moment) {
  open(CatalogMode::create);
  unsigned seed = 20261124;
  std::size_t before = 0;
  for (int round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    if (child == 0) work_until_killed(folder_.file(), round);
    seed = seed * 1664525 + 1013904223;
    ::usleep(5'000 + seed % 60'000);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);

    const auto catalog = open();
    ASSERT_NE(catalog, nullptr);
    const auto versions = catalog->versions("");
    ASSERT_TRUE(versions) << versions.error().text();
    EXPECT_GE(versions->size(), before);
    before = versions->size();
    std::size_t in_staging = 0, in_production = 0;
    for (const auto& version : *versions) {
      EXPECT_EQ(catalog->evidence(version.manifest.digest())->size(), static_cast<std::size_t>(version.state) + 1)
          << version.ref();
      in_staging += version.state >= VersionState::staging;
      in_production += version.state >= VersionState::production;
    }
    const auto history = [&](Environment environment) {
      const auto deployment = catalog->deployment(environment, "magika");
      if (!deployment) return std::size_t{0};
      EXPECT_NE(deployment->entry(), nullptr);
      return deployment->history.size();
    };
    EXPECT_EQ(history(Environment::staging), in_staging);
    EXPECT_EQ(history(Environment::production), in_production);
  }
  EXPECT_GT(before, 0u);
}

}  // namespace
}  // namespace hauberk::adapters
