// Signing and verifying models: statements that are signed well and say the wrong thing, folders that differ from their
// signature in every way, the worked example of other tools.
#include "sign/sign.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/file.h"
#include "base/random.h"
#include "base/sync.h"
#include "base/time.h"
#include "sign/verify.h"

namespace hauberk::sign {
namespace {

using crypto::SignatureAlgorithm;
using crypto::SigningKey;
using Method = Serialization::Method;

const Instant now(std::chrono::seconds(1'790'000'000));

class SignTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hauberk-sign-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string path(const std::string& name) const { return root_ + "/" + name; }
  void write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
  }
  // The worked example in the notes on OMS, made there with other tools.
  void write_example() const {
    write("m/a-b/c", "x");
    write("m/a/b", "y");
    write("m/config.json", "{\"a\":1}\n");
    write("m/sub/w.bin", std::string_view("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", 16));
  }
  ModelPlace place() const { return {path("m"), {path("m/model.sig")}, {}}; }
  ModelSignature listed(Serialization how = {}, std::vector<std::string> ignore = {}) const {
    auto at = place();
    at.ignore_paths = std::move(ignore);
    auto list = list_model(at, std::move(how), {});
    EXPECT_TRUE(list) << list.error().text();
    return list ? std::move(*list) : ModelSignature{};
  }
  Comparison compared(const ModelSignature& list, const CompareOptions& options = {}) const {
    auto comparison = compare_model(place(), list, options);
    EXPECT_TRUE(comparison) << comparison.error().text();
    return comparison ? std::move(*comparison) : Comparison{};
  }
  std::string root_;
};

std::string names(const std::vector<std::string>& list) {
  std::string text;
  for (const auto& one : list) text += one + " ";
  return text;
}

TEST_F(SignTest, has_the_root_digests_of_the_worked_example) {
  write_example();
  const auto list = listed();
  EXPECT_EQ(list.root().hex(), "e0bcaeba87ab135dc9d7633d5e64a88e7285234443725142f70dbd8649be32ba");
  const auto shards = listed({.method = Method::shards, .shard_size = 6});
  EXPECT_EQ(shards.root().hex(), "d6de56602326d94cd81cd4eecafee9792fe5c2d4f663027b7f5a244bbfc138f8");
  EXPECT_EQ(shards.resources.back().name, "sub/w.bin:6:12") << "sorted as text";
}

TEST_F(SignTest, a_statement_says_what_was_listed) {
  write_example();
  for (const auto& how : {Serialization{}, Serialization{.method = Method::shards, .shard_size = 6},
                          Serialization{.hash = Serialization::Hash::blake2b, .allow_symlinks = true}}) {
    const auto list = listed(how);
    const auto read = parse_statement(write_statement(list));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->resources, list.resources);
    EXPECT_EQ(read->serialization.method, how.method);
    EXPECT_EQ(read->serialization.shard_size, how.shard_size);
    EXPECT_EQ(read->serialization.ignore_paths, list.serialization.ignore_paths);
    EXPECT_TRUE(compared(*read).holds());
  }
}

TEST_F(SignTest, every_difference_is_named) {
  write_example();
  const auto list = listed();
  EXPECT_TRUE(compared(list).holds());
  EXPECT_EQ(compared(list).checked, 4u);
  write("m/a/b", "z");
  write("m/new", "n");
  std::filesystem::remove(path("m/config.json"));
  const auto differs = compared(list);
  EXPECT_EQ(names(differs.changed), "a/b ");
  EXPECT_EQ(names(differs.not_signed), "new ");
  EXPECT_EQ(names(differs.missing), "config.json ");
  EXPECT_TRUE(compared(list, {.ignore_unsigned = true}).not_signed.empty());
}

TEST_F(SignTest, exchanged_contents_of_two_files_are_noticed_though_the_root_digest_stays) {
  write("m/a", "same order");
  write("m/b", "of digests");
  const auto list = listed();
  std::filesystem::rename(path("m/a"), path("m/0"));
  EXPECT_EQ(listed().root(), list.root()) << "names are not in it";
  EXPECT_FALSE(compared(list).holds());
}

TEST_F(SignTest, shards_notice_growth_loss_and_change) {
  write("m/w", std::string(100, 'w'));
  write("m/v", std::string(100, 'v'));
  write("m/empty", "");
  const auto list = listed({.method = Method::shards, .shard_size = 40});
  EXPECT_EQ(list.resources.size(), 6u) << "empty files have no shards";
  EXPECT_TRUE(compared(list).holds());
  write("m/w", std::string(101, 'w'));
  EXPECT_EQ(names(compared(list).changed), "w ");
  write("m/w", std::string(80, 'w'));
  EXPECT_EQ(names(compared(list).changed) + "|" + names(compared(list).missing), "|w ") << "its last shard is missing";
  write("m/w", std::string(100, 'W'));
  EXPECT_EQ(names(compared(list).changed), "w ");
}

TEST_F(SignTest, a_part_can_be_verified_alone) {
  write_example();
  const auto list = listed({.method = Method::shards, .shard_size = 6});
  write("m/a/b", "changed");
  EXPECT_FALSE(compared(list).holds());
  const auto part = compared(list, {.only = {"sub/"}});
  EXPECT_TRUE(part.holds());
  EXPECT_EQ(part.checked, 3u);
  EXPECT_EQ(compared(list, {.only = {"sub/w.bin:6:12"}}).checked, 1u);
  EXPECT_FALSE(compared(list, {.only = {"a"}}).holds());
  EXPECT_EQ(compare_model(place(), list, {.only = {"nothing"}}).error().code, Errc::not_found);
}

TEST_F(SignTest, what_was_added_to_a_signed_file_is_no_file_that_may_be_unsigned) {
  write("m/w", "AAAAAABBBBBB");
  const auto list = listed({.method = Method::shards, .shard_size = 6});
  EXPECT_TRUE(compared(list, {.ignore_unsigned = true}).holds());
  write("m/w", "AAAAAABBBBBBEVIL");
  write("m/other", "not signed");
  EXPECT_EQ(names(compared(list, {.ignore_unsigned = true}).changed), "w ");
  // A file by itself, as early signers called it.
  const ModelPlace one{path("m/w"), {}, {}};
  auto called_dot = list;
  called_dot.resources = {{".:0:6", list.resources[0].digest}, {".:6:12", list.resources[1].digest}};
  EXPECT_EQ(names(compare_model(one, called_dot, {.ignore_unsigned = true})->changed), "w ");
  write("m/w", "AAAAAABBBBBB");
  EXPECT_TRUE(compare_model(one, called_dot, {})->holds());
  write("m/w", "AAAAAAAAAAAA");
  called_dot.resources = {{".", list.resources[0].digest}};
  EXPECT_FALSE(compare_model(one, called_dot, {})->holds()) << "one digest for all shards";
}

TEST_F(SignTest, every_part_that_is_asked_for_must_be_signed) {
  write_example();
  const auto list = listed();
  write("m/sub/w.bin", "changed");
  EXPECT_TRUE(compared(list, {.only = {"config.json"}}).holds());
  for (const std::string other : {"./sub/w.bin", "Sub/w.bin", "nowhere", "m/sub", "su"}) {
    const auto part = compare_model(place(), list, {.only = {"config.json", other}});
    ASSERT_FALSE(part) << other;
    EXPECT_EQ(part.error().code, Errc::not_found);
  }
}

TEST_F(SignTest, a_file_of_more_shards_than_anybody_signs_is_refused) {
  write("m/w", "AAAAAABBBBBB");
  const auto list = listed({.method = Method::shards, .shard_size = 6});
  std::filesystem::resize_file(path("m/w"), std::uintmax_t{1} << 40);
  const auto compared = compare_model(place(), list, {});
  ASSERT_FALSE(compared);
  EXPECT_EQ(compared.error().code, Errc::exhausted);
}

TEST_F(SignTest, knows_the_root_digests_of_other_orders) {
  write_example();
  const auto list = listed();
  auto by_parts = list;  // a/b before a-b/c
  std::ranges::swap(by_parts.resources[0], by_parts.resources[1]);
  ASSERT_EQ(by_parts.resources[0].name, "a/b");
  ASSERT_NE(list.root(), by_parts.root());
  for (const auto& one : {list, by_parts})
    for (const auto& root : {list.root(), by_parts.root()}) EXPECT_NE(std::ranges::count(one.roots(), root), 0);
}

TEST_F(SignTest, what_is_left_out_is_recorded_and_shown_when_there) {
  write_example();
  write("m/.git/HEAD", "");
  write("m/sub/.git", "counts");
  write("m/notes.txt", "n");
  const auto list = listed({}, {"notes.txt", path("m/a")});
  EXPECT_EQ(list.resources.size(), 4u);
  EXPECT_EQ(names(list.serialization.ignore_paths), ".git .gitattributes .github .gitignore a model.sig notes.txt ");
  const auto comparison = compared(list);
  EXPECT_TRUE(comparison.holds());
  EXPECT_EQ(names(comparison.ignored), ".git a notes.txt ");
  for (const auto& bad : {".", "..", "../m2", "/etc", "*.txt", "a/..", ""})
    EXPECT_EQ(list_model({path("m"), {}, {bad}}, {}, {}).error().code, Errc::invalid) << bad;
}

TEST_F(SignTest, paths_of_a_signature_that_lead_elsewhere_leave_nothing_out) {
  write_example();
  auto list = listed();
  list.serialization.ignore_paths = {".", "/", "..", "../../x", path("m/a"), "a/../..", "./."};
  EXPECT_TRUE(compared(list).holds());
  write("m/hidden", "h");
  EXPECT_EQ(names(compared(list).not_signed), "hidden ");
}

TEST_F(SignTest, a_single_file_goes_by_its_name) {
  write("w.bin", "weights");
  const auto list = list_model({path("w.bin"), {path("w.bin.sig")}, {}}, {}, {});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->resources[0].name, "w.bin");
  EXPECT_TRUE(compare_model({path("w.bin"), {}, {}}, *list, {})->holds());
  auto early = *list;
  early.resources[0].name = ".";
  EXPECT_TRUE(compare_model({path("w.bin"), {}, {}}, early, {})->holds());
  std::filesystem::rename(path("w.bin"), path("v.bin"));
  EXPECT_FALSE(compare_model({path("v.bin"), {}, {}}, *list, {})->holds());
}

TEST_F(SignTest, refuses_an_empty_model_and_links) {
  std::filesystem::create_directories(path("m"));
  EXPECT_EQ(list_model(place(), {}, {}).error().code, Errc::precondition);
  write("m/a", "A");
  const auto list = listed();
  std::filesystem::create_symlink("a", path("m/link"));
  EXPECT_EQ(list_model(place(), {}, {}).error().code, Errc::invalid);
  EXPECT_EQ(compare_model(place(), list, {}).error().code, Errc::denied);
  const auto followed = listed({.allow_symlinks = true});
  EXPECT_EQ(followed.resources.size(), 2u);
  EXPECT_TRUE(compared(followed).holds());
}

TEST_F(SignTest, hashes_many_files_of_all_sizes_as_one_by_one) {
  SeededRandom random(7);
  std::vector<std::size_t> sizes = {0, 1, 63, 64, 65, 4096, 511 << 10, 512 << 10, (512 << 10) + 1, 1'300'000};
  for (std::size_t i = 0; i < 60; ++i) sizes.push_back(i * 37);
  for (std::size_t i = 0; i < sizes.size(); ++i) write("m/f" + std::to_string(i), as_text(random.bytes(sizes[i])));
  const auto tree = FileTree::open(path("m"));
  ASSERT_TRUE(tree);
  std::vector<FileRange> ranges;
  for (std::size_t i = 0; i < tree->files().size(); ++i) {
    const auto size = tree->files()[i].size;
    ranges.push_back({i, 0, size});
    ranges.push_back({i, size / 3, size - size / 5});
  }
  for (const unsigned threads : {1u, 2u, 5u}) {
    std::uint64_t last = 0;
    const auto digests =
        hash_ranges(*tree, ranges, {.threads = threads, .progress = [&](std::uint64_t done, std::uint64_t total) {
                                      EXPECT_LE(done, total);
                                      EXPECT_GE(done, last);
                                      last = done;
                                    }});
    ASSERT_TRUE(digests) << digests.error().text();
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto& range = ranges[i];
      std::ifstream file(path("m/" + tree->files()[range.file].path), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      const auto part = std::string_view(text).substr(range.begin, range.end - range.begin);
      EXPECT_EQ((*digests)[i], to_bytes(crypto::sha256(as_bytes(part)).bytes)) << tree->files()[range.file].path;
    }
  }
}

TEST_F(SignTest, a_file_that_changes_while_it_is_read_is_no_digest) {
  write("m/w", std::string(30 << 20, 'w'));
  const auto tree = FileTree::open(path("m"));
  ASSERT_TRUE(tree);
  write("m/w", std::string(30 << 20, 'v'));
  const FileRange all{0, 0, tree->files()[0].size};
  EXPECT_EQ(hash_ranges(*tree, std::span(&all, 1), {}).error().code, Errc::unavailable) << "changed after the listing";

  // Cut off, again and again, while it is hashed: an error each time it happens, never a crash.
  for (int round = 0; round < 20; ++round) {
    write("m/w", std::string(8 << 20, 'w'));
    const auto again = FileTree::open(path("m"));
    ASSERT_TRUE(again);
    std::atomic<bool> go = false;
    Thread cutter([&] {
      while (!go) {
      }
      std::filesystem::resize_file(path("m/w"), 0);
    });
    go = true;
    const FileRange whole{0, 0, again->files()[0].size};
    const auto digests = hash_ranges(*again, std::span(&whole, 1), {.threads = 1});
    if (!digests) EXPECT_EQ(digests.error().code, Errc::unavailable);
  }
}

TEST_F(SignTest, the_identity_binds_names_though_the_root_digest_does_not) {
  write("m/a", "A");
  write("m/b", "B");
  const auto list = listed();
  std::filesystem::rename(path("m/a"), path("m/0"));
  EXPECT_EQ(listed().root(), list.root());
  EXPECT_NE(listed().identity(), list.identity());
  // By hand: 8 bytes of length before each name and digest.
  Bytes text;
  for (const auto& [name, content] : {std::pair("a", "A"), {"b", "B"}}) {
    text.insert(text.end(), {0, 0, 0, 0, 0, 0, 0, 1, static_cast<std::uint8_t>(name[0]), 0, 0, 0, 0, 0, 0, 0, 32});
    const auto digest = crypto::sha256(as_bytes(content));
    text.insert(text.end(), digest.bytes.begin(), digest.bytes.end());
  }
  EXPECT_EQ(list.identity(), crypto::sha256(text));
}

TEST_F(SignTest, a_cache_saves_reading_what_nobody_touched) {
  SystemFiles files;
  write("m/a", "A");
  write("m/b", "B");
  DigestCache cache;
  const auto later = SystemClock().now() + std::chrono::hours(1);
  const auto list = list_model(place(), {}, {.cache = &cache, .now = later});
  ASSERT_TRUE(list);
  ASSERT_TRUE(cache.save(files, path("cache")));
  auto loaded = DigestCache::load(files, path("cache"));
  ASSERT_TRUE(loaded);
  const auto tree = FileTree::open(path("m"));
  ASSERT_TRUE(tree);
  const auto* known = loaded->find(tree->files()[0], 0, 1, false);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(*known, to_bytes(crypto::sha256(as_bytes("A")).bytes));
  EXPECT_EQ(loaded->find(tree->files()[0], 0, 1, true), nullptr) << "of another hash";

  const auto before = std::filesystem::last_write_time(path("m/a"));
  write("m/a", "X");
  std::filesystem::last_write_time(path("m/a"), before);
  const auto again = list_model(place(), {}, {.cache = &*loaded, .now = later});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->resources[0].digest, to_bytes(crypto::sha256(as_bytes("X")).bytes)) << "its time was set back";
  EXPECT_EQ(again->resources[1], list->resources[1]);
}

TEST_F(SignTest, a_cache_keeps_nothing_that_changed_just_now_and_belongs_to_one_user) {
  SystemFiles files;
  write("m/a", "A");
  DigestCache cache;
  ASSERT_TRUE(list_model(place(), {}, {.cache = &cache, .now = SystemClock().now()}));
  const auto tree = FileTree::open(path("m"));
  EXPECT_EQ(cache.find(tree->files()[0], 0, 1, false), nullptr);
  ASSERT_TRUE(cache.save(files, path("cache")));
  std::filesystem::permissions(path("cache"), std::filesystem::perms(0666));
  EXPECT_EQ(DigestCache::load(files, path("cache")).error().code, Errc::denied);
  std::filesystem::permissions(path("cache"), std::filesystem::perms(0600));
  write("cache", "{torn");
  EXPECT_TRUE(DigestCache::load(files, path("cache"))) << "a damaged one is an empty one";
}

TEST_F(SignTest, as_many_different_signers_as_are_wanted_must_have_signed_what_is_there) {
  write("m/a", "A");
  const auto list = listed();
  std::vector<SigningKey> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(SigningKey::generate());
  const auto stranger = SigningKey::generate();
  VerifyRequest request{.model = path("m"), .threshold = 2, .now = now};
  for (const auto& key : keys) request.trust.keys.push_back(*crypto::VerifyingKey::from_pem(key.verifying().pem()));
  request.bundles = {{path("m/1.sig"), *sign_list(list, signer_of(keys[0]))},
                     {path("m/2.sig"), *sign_list(list, signer_of(keys[0]))}};
  EXPECT_EQ(verify_model(request).error().code, Errc::denied) << "one signed twice";
  request.bundles.push_back({path("3.sig"), *sign_list(list, signer_of(stranger))});
  EXPECT_EQ(verify_model(request).error().code, Errc::denied) << "the other is a stranger";
  request.bundles.push_back({path("4.sig"), *sign_list(list, signer_of(keys[2]))});
  const auto verified = verify_model(request);
  ASSERT_TRUE(verified) << verified.error().text();
  EXPECT_EQ(verified->signers.size(), 2u);
  EXPECT_EQ(verified->not_counted.size(), 2u);
  EXPECT_TRUE(verified->comparison.holds());

  write("m/a", "B");
  request.bundles.push_back({path("5.sig"), *sign_list(listed(), signer_of(keys[1]))});
  const auto split = verify_model(request);
  ASSERT_TRUE(split);
  EXPECT_FALSE(split->comparison.holds()) << "two of the three signed something else";
}

TEST_F(SignTest, a_signer_too_many_does_no_harm) {
  write_example();
  const auto list = listed();
  write("m/extra", "more");
  const auto larger = listed();
  const auto a = crypto::SigningKey::generate(), b = crypto::SigningKey::generate(), c = crypto::SigningKey::generate();
  VerifyRequest request{.model = path("m"), .bundles = {}, .trust = {}, .threshold = 2, .compare = {}, .now = now};
  for (const auto* key : {&a, &b, &c})
    request.trust.keys.push_back(*crypto::VerifyingKey::from_pem(key->verifying().pem()));
  request.bundles = {{"a", *sign_list(larger, signer_of(a))},
                     {"c", *sign_list(list, signer_of(c))},
                     {"broken", {}, Error{Errc::corrupt, "no bundle", {}}},
                     {"b", *sign_list(larger, signer_of(b))}};
  const auto verified = verify_model(request);
  ASSERT_TRUE(verified) << verified.error().text();
  EXPECT_TRUE(verified->comparison.holds());
  EXPECT_EQ(verified->signers.size(), 2u);
  EXPECT_EQ(verified->not_counted.size(), 2u);
  EXPECT_TRUE(verified->files.contains("extra"));
  request.threshold = 3;
  const auto three = verify_model(request);
  EXPECT_TRUE(!three || !three->comparison.holds());
}

TEST_F(SignTest, what_counts_as_signed_is_what_all_signers_list) {
  write_example();
  const auto all = listed(), less = listed({}, {"sub"});
  const auto a = crypto::SigningKey::generate(), b = crypto::SigningKey::generate();
  for (const bool turned : {false, true}) {
    VerifyRequest request{.model = path("m"), .bundles = {}, .trust = {}, .threshold = 2, .compare = {}, .now = now};
    for (const auto* key : {&a, &b})
      request.trust.keys.push_back(*crypto::VerifyingKey::from_pem(key->verifying().pem()));
    request.bundles = {{"a", *sign_list(all, signer_of(a))}, {"b", *sign_list(less, signer_of(b))}};
    if (turned) std::ranges::reverse(request.bundles);
    const auto verified = verify_model(request);
    ASSERT_TRUE(verified) << verified.error().text();
    EXPECT_TRUE(verified->files.contains("a/b"));
    EXPECT_FALSE(verified->files.contains("sub/w.bin"));
  }
}

TEST_F(SignTest, what_is_revoked_does_not_count_however_well_it_is_signed) {
  write("m/a", "A");
  const auto list = listed();
  const auto key = SigningKey::generate();
  const auto bundle = *sign_list(list, signer_of(key));
  const auto verdict = [&](Revocable thing, const std::string& value) {
    VerifyRequest request{.model = path("m"), .bundles = {{path("m.sig"), bundle}}, .now = now};
    request.trust.keys.push_back(*crypto::VerifyingKey::from_pem(key.verifying().pem()));
    request.revoked = RevocationList{.until = now, .entries = {{Environment::dev, thing, value, "why", now}}};
    const auto verified = verify_model(request);
    return verified ? std::string("good") : verified.error().message;
  };
  EXPECT_NE(verdict(Revocable::key, key.verifying().id()).find("the key is revoked"), std::string::npos);
  EXPECT_NE(verdict(Revocable::model, list.root().text()).find("the model is revoked"), std::string::npos);
  const auto signature = crypto::sha256(bundle.signature()).text();
  EXPECT_NE(verdict(Revocable::signature, signature).find("the signature is revoked"), std::string::npos);
  EXPECT_EQ(verdict(Revocable::key, SigningKey::generate().verifying().id()), "good");
  EXPECT_EQ(verdict(Revocable::model, signature), "good");
}

TEST_F(SignTest, what_a_revoked_key_signed_earlier_counts_where_somebody_trusted_saw_it) {
  write("m/a", "A");
  const auto bundle = *sign_list(listed(), signer_of(SigningKey::generate()));
  const std::string key = "ed25519:0123456789abcdef";
  const RevocationList revoked{.until = now, .entries = {{Environment::dev, Revocable::key, key, "lost", now}}};
  Signer signer{.key_id = key};
  EXPECT_FALSE(check_revoked(revoked, signer, bundle, {}));
  signer.time = now;
  EXPECT_FALSE(check_revoked(revoked, signer, bundle, {}));
  signer.time = now - std::chrono::seconds(1);
  EXPECT_TRUE(check_revoked(revoked, signer, bundle, {}));
}

TEST_F(SignTest, a_content_is_revoked_by_any_of_its_digests) {
  write("m/a", "A");
  const auto bundle = *sign_list(listed(), signer_of(SigningKey::generate()));
  const Digest one = crypto::sha256(as_bytes("one")), other = crypto::sha256(as_bytes("other"));
  const RevocationList revoked{.until = now,
                               .entries = {{Environment::dev, Revocable::model, other.text(), "bad", now}}};
  const Digest both[] = {one, other};
  EXPECT_FALSE(check_revoked(revoked, Signer{}, bundle, both));
  EXPECT_TRUE(check_revoked(revoked, Signer{}, bundle, {both, 1}));
}

TEST_F(SignTest, the_twin_of_a_revoked_signature_is_revoked) {
  write("m/a", "A");
  using enum crypto::SignatureAlgorithm;
  for (const auto algorithm : {ecdsa_p256, ecdsa_p384, ecdsa_p521}) {
    const auto key = SigningKey::generate(algorithm);
    auto bundle = *sign_list(listed(), signer_of(key));
    const auto before = bundle.signature();
    const RevocationList revoked{
        .until = now,
        .entries = {{Environment::dev, Revocable::signature, crypto::sha256(before).text(), "haste", now}}};
    const auto twins = crypto::twins_of_signature(before);
    const auto encoded = crypto::pre_authentication_encoding(crypto::in_toto_type, bundle.envelope->payload);
    const auto twin =
        std::ranges::find_if(twins, [&](const Bytes& one) { return key.verifying().verify(encoded, one); });
    ASSERT_NE(twin, twins.end());
    bundle.envelope->signatures.front().signature = *twin;
    EXPECT_NE(bundle.signature(), before);
    Trust trust;
    trust.keys.push_back(*crypto::VerifyingKey::from_der(key.verifying().der()));
    EXPECT_TRUE(check_envelope(bundle, trust, now));
    EXPECT_EQ(check_revoked(revoked, Signer{}, bundle, {}).error().code, Errc::denied);
  }
  EXPECT_TRUE(crypto::twins_of_signature(Bytes(64, 1)).empty());
}

TEST_F(SignTest, a_list_of_revocations_counts_while_it_is_good_and_by_its_owner) {
  const auto key = SigningKey::generate();
  const RevocationList list{Environment::production, 0, now, now + std::chrono::hours(1), {}};
  crypto::Envelope envelope{.payload = json::write(list.statement("olga").to_json())};
  const auto encoded = crypto::pre_authentication_encoding(crypto::in_toto_type, envelope.payload);
  envelope.signatures.push_back({key.verifying().id(), key.sign(encoded)});
  const auto text = crypto::write_envelope(envelope);
  EXPECT_TRUE(open_revocations(text, key.verifying(), now));
  EXPECT_EQ(open_revocations(text, key.verifying(), now + std::chrono::hours(1)).error().code, Errc::unavailable);
  EXPECT_EQ(open_revocations(text, SigningKey::generate().verifying(), now).error().code, Errc::denied);
}

// ---- Statements that hold a correct signature and wrong content.

std::string statement(std::string_view change_from, std::string_view change_to) {
  ModelSignature list{.name = "m", .resources = {{"a", Bytes(32, 1)}, {"b", Bytes(32, 2)}}};
  list.serialization.ignore_paths = {".git"};
  auto text = write_statement(list);
  const auto at = text.find(change_from);
  EXPECT_NE(at, std::string::npos) << change_from;
  return at == std::string::npos ? text : text.replace(at, change_from.size(), change_to);
}

// Sigstore's own case: a bundle with the time of a log.
TEST(TrustedTime, of_the_future_is_not_believed) {
  const auto shared = std::filesystem::path(HAUBERK_SOURCE_DIR) / "../shared/data/registry";
  const auto assets = shared / "open/sigstore-conformance/test/assets";
  SystemFiles files;
  const auto bundle_text = read_file(files, assets / "bundle-verify/happy-path-v0.3/bundle.sigstore.json", 1 << 20);
  const auto root_text = read_file(files, shared / "vectors/trusted_root.json", 1 << 20);
  if (!bundle_text || !root_text) GTEST_SKIP() << "no " << assets << ": it is part of the shared data";
  const auto bundle = *parse_bundle(as_text(*bundle_text));
  const Trust trust{
      .identity = Identity{"https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
                           ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main",
                           "https://token.actions.githubusercontent.com"},
      .root = *parse_trusted_root(as_text(*root_text))};
  const auto file = crypto::sha256(*read_file(files, assets / "a.txt", 1000));
  const auto good = check_file(bundle, trust, file, now);
  ASSERT_TRUE(good) << good.error().text();
  ASSERT_TRUE(good->time);
  EXPECT_TRUE(check_file(bundle, trust, file, *good->time - std::chrono::minutes(4)));
  const auto refused = check_file(bundle, trust, file, *good->time - std::chrono::minutes(6));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::denied);
  EXPECT_NE(refused.error().message.find("future"), std::string::npos);
}

// Before anything of a model is read, let alone copied.
TEST_F(SignTest, too_few_signers_are_known_without_the_model) {
  write("m/a", "A");
  const auto key = SigningKey::generate(), other = SigningKey::generate();
  VerifyRequest request{.model = path("nowhere"),
                        .bundles = {{.path = "x.sig", .bundle = *sign_list(listed(), signer_of(key))}},
                        .now = now};
  request.trust.keys.push_back(*crypto::VerifyingKey::from_pem(key.verifying().pem()));
  EXPECT_EQ(signed_lists(request)->size(), 1u);
  request.trust.keys[0] = *crypto::VerifyingKey::from_pem(other.verifying().pem());
  EXPECT_EQ(signed_lists(request).error().code, Errc::denied);
}

TEST(Statement, refuses_wrong_content_however_well_it_is_signed) {
  const std::string one(64, '1');
  ASSERT_TRUE(parse_statement(statement("\"m\"", "\"m\"")));
  const std::pair<std::string, std::string> changes[] = {
      {"Statement/v1", "Statement/v0.1"},
      {"signature/v1.0", "signature/v2.0"},
      {"\"name\":\"m\"", "\"name\":\"\""},
      {"\"name\":\"m\"", "\"name\":\"m\\u0000n\""},
      {"\"name\":\"m\"", "\"name\":\"m\",\"name\":\"n\""},
      {"\"ignore_paths\":[\".git\"]", "\"ignore_paths\":[\"a\\u0000b\"]"},
      {"\"subject\":[", "\"subject\":[{\"name\":\"x\",\"digest\":{\"sha256\":\"" + one + "\"}},"},
      {"\"predicateType\"", "\"unknown\":1,\"predicateType\""},
      {"\"predicate\":{", "\"predicate\":{\"unknown\":1,"},
      {"\"serialization\":{", "\"serialization\":{\"unknown\":1,"},
      {"\"_type\":", "\"_type\":\"x\",\"_type\":"},
      {"\"method\":\"files\"", "\"method\":\"file\""},
      {"\"method\":\"files\"", "\"method\":\"shards\""},
      {"\"method\":\"files\"", "\"method\":\"files\",\"shard_size\":1"},
      {"\"hash_type\":\"sha256\"", "\"hash_type\":\"md5\""},
      {"\"hash_type\":\"sha256\"", "\"hash_type\":\"blake2b\""},
      {"\"allow_symlinks\":false", "\"allow_symlinks\":\"false\""},
      {"\"allow_symlinks\":false,", ""},
      {"\"ignore_paths\":[\".git\"]", "\"ignore_paths\":[1]"},
      {"\"ignore_paths\":[\".git\"]", "\"ignore_paths\":[\"\"]"},
      {"\"name\":\"a\"", "\"name\":\"b\""},
      {"\"name\":\"a\"", "\"name\":\"\""},
      {"\"name\":\"a\"", "\"name\":\"/a\""},
      {"\"name\":\"a\"", "\"name\":\"../a\""},
      {"\"name\":\"a\"", "\"name\":\"x/./a\""},
      {"\"name\":\"a\"", "\"name\":\"a\\u0000b\""},
      {"\"name\":\"a\"", "\"name\":\".\""},
      {"\"name\":\"a\"", "\"name\":7"},
      {"\"algorithm\":\"sha256\"", "\"algorithm\":\"sha512\""},
      {"0101", "0102"},
      {"0101", "010"},
      {"0202", "02G2"},
      {"\"resources\":[", "\"resources\":[],\"x\":["},
      {"{\"_type\"", "\xEF\xBB\xBF{\"_type\""},
      {"\"name\":\"a\"", "\"name\":\"\xff\""},
  };
  for (const auto& [from, to] : changes) EXPECT_FALSE(parse_statement(statement(from, to))) << from << " -> " << to;
  EXPECT_FALSE(parse_statement(statement("\"m\"", "\"m\"") + "{}"));
  EXPECT_FALSE(parse_statement(""));
}

TEST(Statement, digests_have_one_spelling) {
  ModelSignature list{.name = "m", .resources = {{"a", Bytes(32, 0xab)}}};
  auto text = write_statement(list);
  text.replace(text.find("abab"), 4, "ABAB");
  EXPECT_FALSE(parse_statement(text));
}

// ---- Bundles

Bundle signed_by(const SigningKey& key, std::string payload) {
  Bundle bundle;
  auto& envelope = bundle.envelope.emplace();
  envelope.payload = std::move(payload);
  envelope.signatures.push_back(
      {"", key.sign(crypto::pre_authentication_encoding(crypto::in_toto_type, envelope.payload))});
  return bundle;
}

Trust trust_in(const SigningKey& key) {
  Trust trust;
  trust.keys.push_back(*crypto::VerifyingKey::from_pem(key.verifying().pem()));
  return trust;
}

TEST(Bundle, of_a_key_of_any_kind_goes_out_and_comes_back) {
  for (const auto algorithm : {SignatureAlgorithm::ed25519, SignatureAlgorithm::ecdsa_p256,
                               SignatureAlgorithm::ecdsa_p384, SignatureAlgorithm::ecdsa_p521}) {
    const auto key = SigningKey::generate(algorithm);
    const ModelSignature list{.name = "m", .resources = {{"a", Bytes(32, 1)}}};
    const auto bundle = parse_bundle(write_bundle(*sign_list(list, signer_of(key))));
    ASSERT_TRUE(bundle) << bundle.error().text();
    const auto signer = check_envelope(*bundle, trust_in(key), now);
    ASSERT_TRUE(signer) << signer.error().text();
    EXPECT_EQ(signer->name, key.verifying().id());
    EXPECT_EQ(check_envelope(*bundle, trust_in(SigningKey::generate(algorithm)), now).error().code, Errc::denied);
    EXPECT_EQ(bundle->key_hint, crypto::sha256(as_bytes(key.verifying().pem())).hex());
  }
}

TEST(Bundle, needs_one_way_of_trust_and_the_one_it_was_signed_by) {
  const auto key = SigningKey::generate();
  const auto bundle = signed_by(key, "{}");
  EXPECT_EQ(check_envelope(bundle, {}, now).error().code, Errc::invalid);
  auto both = trust_in(key);
  both.identity = {"a", "b"};
  EXPECT_EQ(check_envelope(bundle, both, now).error().code, Errc::invalid);
  Trust identity;
  identity.identity = {"a", "b"};
  identity.root.emplace();
  EXPECT_EQ(check_envelope(bundle, identity, now).error().code, Errc::denied);
  EXPECT_EQ(check_file(bundle, trust_in(key), {}, now).error().code, Errc::corrupt);
}

TEST(Bundle, refuses_every_second_reading) {
  const auto good = write_bundle(signed_by(SigningKey::generate(), "{}"));
  ASSERT_TRUE(parse_bundle(good));
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"bundle.v0.3+json", "bundle.v0.4+json"},
      {"bundle.v0.3+json", "bundle+json;version=0.9"},
      {"\"mediaType\":", "\"extra\": 1, \"mediaType\":"},
      {"\"mediaType\":", "\"mediaType\": \"x\", \"mediaType\":"},
      {"\"payload\":", "\"extra\": 1, \"payload\":"},
      {"\"payload\":", "\"payload\": \"e30=\", \"payload\":"},
      {"\"payload\": \"e30=\"", "\"payload\": \"e30\""},
      {"\"payload\": \"e30=\"", "\"payload\": \"e31=\""},
      {"application/vnd.in-toto+json", "application/json"},
      {"\"signatures\": [", "\"signatures\": [{\"sig\": \"AAAA\"}, "},
      {"\"keyid\":", "\"extra\": 1, \"keyid\":"},
      {"\"keyid\": \"\"", "\"keyid\": 7"},
      {"\"publicKey\":", "\"certificate\": {\"rawBytes\": \"AAAA\"}, \"publicKey\":"},
      {"\"publicKey\":", "\"otherKey\":"},
      {"\"dsseEnvelope\":", "\"messageSignature\": {\"signature\": \"AAAA\"}, \"dsseEnvelope\":"},
      {"\"dsseEnvelope\":", "\"other\":"},
      {"\"tlogEntries\": []", "\"tlogEntries\": {}"},
  };
  for (const auto& [from, to] : changes) {
    auto text = good;
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    EXPECT_FALSE(parse_bundle(text.replace(at, from.size(), to))) << from << " -> " << to;
  }
  for (std::size_t size = 0; size < good.size() - 1; size += 7) EXPECT_FALSE(parse_bundle(good.substr(0, size)));
}

TEST(Bundle, takes_the_spellings_of_other_writers) {
  const auto key = SigningKey::generate(SignatureAlgorithm::ecdsa_p256);
  // A payload whose base64 has a '+' and a '/'.
  auto bundle = signed_by(key, "{\"a\":\"\xC3\xBE\xC3\xBF~~~?>>>\"}");
  auto text = write_bundle(bundle);
  const auto signature = base64(bundle.signature()), payload = base64(as_bytes(bundle.envelope->payload));
  ASSERT_NE((payload + signature).find_first_of("+/"), std::string::npos);
  const auto other_alphabet = [](std::string one) {
    std::ranges::replace(one, '+', '-');
    std::ranges::replace(one, '/', '_');
    return one;
  };
  text.replace(text.find(signature), signature.size(), other_alphabet(signature));
  text.replace(text.find(payload), payload.size(), other_alphabet(payload));
  text.replace(text.find("\"keyid\": \"\""), 11, "\"keyid\": null");
  const auto read = parse_bundle(text);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_TRUE(check_envelope(*read, trust_in(key), now));
}

}  // namespace
}  // namespace hauberk::sign
