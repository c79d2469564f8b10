#include "adapters/keys_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/faulty_files.h"
#include "core/evidence.h"

namespace hauberk::adapters {
namespace {

namespace fs = std::filesystem;

class KeysFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "hauberk_keys_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    ASSERT_TRUE(create_keys_file(folder()));
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string dev() const { return folder_ + "/dev"; }
  KeyFolder folder() { return folder(files_); }
  KeyFolder folder(Files& files) {
    return {.files = files,
            .random = random_,
            .clock = clock_,
            .path = dev(),
            .environment = Environment::dev,
            .passphrase = passphrase_};
  }
  Result<std::unique_ptr<crypto::KeyProvider>> open() { return open_keys_file(folder()); }
  // A file with a passphrase, and what reads it.
  SecretRef passphrase(const std::string& text) {
    const auto path = folder_ + "/" + text;
    EXPECT_TRUE(write_file_atomically(files_, path, as_bytes(text)));
    return {"file", path};
  }
  void use_passphrase(const std::string& now, const std::string& before = "") {
    std::vector<SecretRef> earlier;
    if (!before.empty()) earlier.push_back(passphrase(before));
    passphrase_ = std::make_shared<KeyPassphrase>(passphrase(now), std::move(earlier), 14);
  }
  std::vector<std::string> private_files() {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(dev()))
      if (entry.is_regular_file() && entry.path().string().find("trusted") == std::string::npos)
        out.push_back(entry.path());
    return out;
  }

  SystemFiles files_;
  SystemRandom random_;
  ManualClock clock_{*parse_rfc3339("2026-11-27T02:30:00Z")};
  std::shared_ptr<KeyPassphrase> passphrase_;
  std::string folder_;
};

TEST_F(KeysFile, are_private_and_the_same_when_opened_again) {
  for (const auto& entry : fs::directory_iterator(dev()))
    EXPECT_EQ(files_.info(entry.path())->mode, 0600u) << entry.path();
  auto first = open(), second = open();
  ASSERT_TRUE(first) << first.error().text();
  const auto signature = *(*first)->sign(crypto::KeyPurpose::evidence, as_bytes("text"));
  EXPECT_TRUE((*second)->verify(crypto::KeyPurpose::evidence, *(*first)->key_id(crypto::KeyPurpose::evidence),
                                as_bytes("text"), signature));
  EXPECT_EQ(*(*first)->mac(crypto::KeyPurpose::token, as_bytes("t")),
            *(*second)->mac(crypto::KeyPurpose::token, as_bytes("t")));
}

TEST_F(KeysFile, are_never_overwritten) {
  const auto before = *read_file(files_, dev() + "/wrap.key", 10'000);
  EXPECT_EQ(create_keys_file(folder()).error().code, Errc::exists);
  EXPECT_EQ(*read_file(files_, dev() + "/wrap.key", 10'000), before);
}

TEST_F(KeysFile, every_mix_up_is_an_error_that_says_what_to_do) {
  struct Case {
    std::string_view file;
    std::function<void(const std::string&)> spoil;
    Errc code;
    std::string_view says;
  };
  ASSERT_TRUE(create_keys_file({.files = files_,
                                .random = random_,
                                .clock = clock_,
                                .path = folder_ + "/staging",
                                .environment = Environment::staging}));
  const Case cases[] = {
      {"wrap.key", [](const std::string& path) { fs::remove(path); }, Errc::not_found, "missing"},
      {"wrap.key", [](const std::string& path) { ::chmod(path.c_str(), 0644); }, Errc::denied, "chmod 600"},
      {"wrap.key",
       [&](const std::string& path) {
         fs::copy_file(folder_ + "/staging/wrap.key", path, fs::copy_options::overwrite_existing);
       },
       Errc::corrupt, "wrap staging"},
      {"token.key",
       [&](const std::string& path) { fs::copy_file(dev() + "/wrap.key", path, fs::copy_options::overwrite_existing); },
       Errc::corrupt, "'wrap dev "},
      {"evidence.pem", [&](const std::string& path) { (void)write_file_atomically(files_, path, as_bytes("rubbish")); },
       Errc::corrupt, "no Hauberk key file"},
      {"ledger.pem",
       [&](const std::string& path) {
         (void)write_file_atomically(files_, path, as_bytes("hauberk-key-v1 ledger dev\n-----BEGIN"));
       },
       Errc::corrupt, "Ed25519"},
      {"wrap.key",
       [&](const std::string& path) {
         (void)write_file_atomically(files_, path, as_bytes("hauberk-key-v1 wrap dev\nAAAA\n"));
       },
       Errc::corrupt, "damaged"}};
  for (const auto& one : cases) {
    fs::remove_all(dev());
    ASSERT_TRUE(create_keys_file(folder()));
    one.spoil(dev() + "/" + std::string(one.file));
    const auto keys = open();
    ASSERT_FALSE(keys) << one.says;
    EXPECT_EQ(keys.error().code, one.code) << keys.error().text();
    EXPECT_NE(keys.error().text().find(one.says), std::string::npos) << keys.error().text();
  }
}

TEST_F(KeysFile, a_killed_creation_is_finished_by_the_next) {
  bool finished = false;
  for (std::uint64_t step = 1; !finished; ++step) {
    fs::remove_all(dev());
    FaultyFiles faulty(files_);
    faulty.fail_change(step);
    finished = create_keys_file(folder(faulty)).has_value();
    const auto again = create_keys_file(folder());
    EXPECT_TRUE(again || again.error().code == Errc::exists) << step;
    EXPECT_TRUE(open()) << step;
  }
}

TEST_F(KeysFile, a_rotated_wrap_key_still_unwraps_and_wraps_nothing_more) {
  const Secret data_key(std::string_view("0123456789abcdef0123456789abcdef"));
  auto old = std::move(*open());
  const auto id = *old->key_id(crypto::KeyPurpose::wrap);
  const auto wrapped = *old->wrap(data_key, as_bytes("blob"));
  ASSERT_TRUE(rotate_key_file(folder(), crypto::KeyPurpose::wrap));
  auto now = std::move(*open());
  EXPECT_NE(*now->key_id(crypto::KeyPurpose::wrap), id);
  EXPECT_TRUE(now->unwrap(id, wrapped, as_bytes("blob")));
  const auto again = *now->wrap(data_key, as_bytes("blob"));
  EXPECT_EQ(old->unwrap(*now->key_id(crypto::KeyPurpose::wrap), again, as_bytes("blob")).error().code, Errc::denied);
  for (const auto& entry : fs::recursive_directory_iterator(dev()))
    if (entry.is_regular_file()) EXPECT_EQ(files_.info(entry.path())->mode, 0600u) << entry.path();
  fs::remove_all(dev() + "/retired");
  EXPECT_EQ((*open())->unwrap(id, wrapped, as_bytes("blob")).error().code, Errc::denied);
}

TEST_F(KeysFile, tokens_of_a_retired_key_are_good_until_it_is_removed) {
  const auto mac_of = [&](std::string_view text) { return *(*open())->mac(crypto::KeyPurpose::token, as_bytes(text)); };
  const auto known = [&](std::string_view text, ByteView mac) {
    return *(*open())->verify_mac(crypto::KeyPurpose::token, as_bytes(text), mac);
  };
  const auto first = mac_of("a token");
  use_passphrase("correct horse");
  const auto rotation = rotate_key_file(folder(), crypto::KeyPurpose::token);
  ASSERT_TRUE(rotation) << rotation.error().text();
  EXPECT_NE(rotation->before, rotation->now);
  const auto second = mac_of("a token");
  EXPECT_NE(second, first);
  EXPECT_TRUE(known("a token", first));
  EXPECT_TRUE(known("a token", second));
  EXPECT_FALSE(known("another token", first));
  EXPECT_FALSE(known("a token", Bytes(32, 0)));
  EXPECT_FALSE(known("a token", {}));
  const auto retired = dev() + "/retired/token-" + rotation->before.substr(rotation->before.find(':') + 1) + ".key";
  EXPECT_NE(as_text(*read_file(files_, retired, 1 << 10)).find("\nscrypt "), std::string::npos) << "sealed as well";
  std::vector<KeyState> states;
  for (const auto& one : *list_keys_file(folder()))
    if (one.purpose == crypto::KeyPurpose::token) states.push_back(one.state);
  EXPECT_EQ(states, (std::vector{KeyState::active, KeyState::retired}));
  ASSERT_TRUE(seal_keys_file(folder(), KeySealing::open));
  passphrase_ = nullptr;
  EXPECT_TRUE(known("a token", first));
  // Neither purpose takes the other's for its own.
  ASSERT_TRUE(rotate_key_file(folder(), crypto::KeyPurpose::wrap));
  EXPECT_TRUE(known("a token", first));
  fs::remove(retired);
  EXPECT_FALSE(known("a token", first));
  EXPECT_TRUE(known("a token", second));
}

TEST_F(KeysFile, a_killed_rotation_loses_no_key) {
  const Secret data_key(std::string_view("0123456789abcdef0123456789abcdef"));
  bool finished = false;
  for (std::uint64_t step = 1; !finished; ++step) {
    auto before = std::move(*open());
    const auto id = *before->key_id(crypto::KeyPurpose::wrap);
    const auto wrapped = *before->wrap(data_key, as_bytes("blob"));
    FaultyFiles faulty(files_);
    faulty.fail_change(step);
    finished = rotate_key_file(folder(faulty), crypto::KeyPurpose::wrap).has_value();
    const auto after = open();
    ASSERT_TRUE(after) << step << ": " << after.error().text();
    EXPECT_TRUE((*after)->unwrap(id, wrapped, as_bytes("blob"))) << step;
  }
}

TEST_F(KeysFile, a_rotated_signing_key_still_verifies_for_its_purpose_and_signs_nothing_more) {
  for (const auto purpose : {crypto::KeyPurpose::evidence, crypto::KeyPurpose::ledger, crypto::KeyPurpose::model}) {
    auto old = std::move(*open());
    const auto id = *old->key_id(purpose);
    const auto signature = *old->sign(purpose, as_bytes("text"));
    ASSERT_TRUE(rotate_key_file(folder(), purpose));
    auto now = std::move(*open());
    EXPECT_NE(*now->key_id(purpose), id);
    EXPECT_TRUE(now->verify(purpose, id, as_bytes("text"), signature));
    const auto other = purpose == crypto::KeyPurpose::ledger ? crypto::KeyPurpose::model : crypto::KeyPurpose::ledger;
    EXPECT_EQ(now->verify(other, id, as_bytes("text"), signature).error().code, Errc::denied);
  }
}

TEST_F(KeysFile, evidence_of_earlier_keys_stays_good_where_their_public_half_is_kept) {
  const Statement statement{.subjects = {{"m", crypto::sha256({})}},
                            .predicate_type = std::string(predicate::scan),
                            .predicate = json::Value().set("verdict", "CLEAN")};
  auto old = std::move(*open());
  const auto evidence = *seal(statement, *old);
  const auto pem = *old->public_key_pem(crypto::KeyPurpose::evidence);
  fs::remove(dev() + "/evidence.pem");
  ASSERT_TRUE(create_keys_file(folder()));
  EXPECT_EQ(open_evidence(evidence.envelope, **open()).error().code, Errc::denied);
  ASSERT_TRUE(files_.make_directories(dev() + "/trusted"));
  ASSERT_TRUE(write_file_atomically(files_, dev() + "/trusted/ledger-2025.pem", as_bytes(pem)));
  EXPECT_EQ(open_evidence(evidence.envelope, **open()).error().code, Errc::denied) << "trusted for something else";
  ASSERT_TRUE(write_file_atomically(files_, dev() + "/trusted/evidence-2025.pem", as_bytes(pem)));
  EXPECT_TRUE(open_evidence(evidence.envelope, **open()));
  ASSERT_TRUE(write_file_atomically(files_, dev() + "/trusted/2025.pem", as_bytes(pem)));
  EXPECT_EQ(open().error().code, Errc::invalid) << "for what?";
}

// One character of a private key changed gives another key, which would sign and say nothing.
TEST_F(KeysFile, that_were_changed_or_damaged_are_found_at_every_byte) {
  for (const auto& file : private_files()) {
    const auto whole = *read_file(files_, file, 10'000);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      auto changed = whole;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      ASSERT_TRUE(write_file_atomically(files_, file, changed));
      const auto opened = open();
      ASSERT_FALSE(opened) << file << " at " << i;
      EXPECT_EQ(opened.error().code, Errc::corrupt);
    }
    ASSERT_TRUE(write_file_atomically(files_, file, ByteView(whole).first(whole.size() - 1)));
    EXPECT_FALSE(open()) << file;
    ASSERT_TRUE(write_file_atomically(files_, file, whole));
    EXPECT_TRUE(open());
  }
}

// Whoever puts a key among the trusted ones signs for the environment.
TEST_F(KeysFile, that_are_trusted_are_those_of_their_names_and_nobody_elses_to_change) {
  ASSERT_TRUE(rotate_key_file(folder(), crypto::KeyPurpose::model));
  const auto trusted = list_keys_file(folder());
  std::string file;
  for (const auto& key : *trusted)
    if (key.state == KeyState::trusted) file = dev() + "/" + key.place;
  ASSERT_TRUE(fs::exists(file));
  const auto whole = *read_file(files_, file, 10'000);
  const auto refusal = [&] {
    const auto opened = open();
    return opened ? Errc::internal : opened.error().code;
  };
  const auto other = crypto::SigningKey::generate(crypto::SignatureAlgorithm::ecdsa_p256).verifying().pem();
  ASSERT_TRUE(write_file_atomically(files_, file, as_bytes(other)));
  EXPECT_EQ(refusal(), Errc::corrupt);
  ASSERT_TRUE(write_file_atomically(files_, file, whole));
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  EXPECT_EQ(refusal(), Errc::denied);
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  EXPECT_TRUE(open());
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(file.c_str(), 12345, static_cast<gid_t>(-1)), 0);
  EXPECT_EQ(refusal(), Errc::denied);
}

TEST_F(KeysFile, of_another_user_are_refused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(::chown((dev() + "/model.pem").c_str(), 12345, static_cast<gid_t>(-1)), 0);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::denied);
  EXPECT_NE(opened.error().message.find("12345"), std::string::npos);
  ASSERT_EQ(::chown((dev() + "/model.pem").c_str(), 0, static_cast<gid_t>(-1)), 0);
  ASSERT_EQ(::chown(dev().c_str(), 12345, static_cast<gid_t>(-1)), 0);
  EXPECT_EQ(open().error().code, Errc::denied);
  ASSERT_EQ(::chown(dev().c_str(), 0, static_cast<gid_t>(-1)), 0);
  EXPECT_TRUE(open());
}

TEST_F(KeysFile, of_former_days_whose_first_line_has_no_date_are_read) {
  const auto path = dev() + "/wrap.key";
  auto text = std::string(as_text(*read_file(files_, path, 10'000)));
  EXPECT_TRUE(text.starts_with("hauberk-key-v1 wrap dev 2026-11-27T02:30:00Z check:")) << text.substr(0, 60);
  text.erase(text.find(" 2026"), text.find('\n') - text.find(" 2026"));
  ASSERT_TRUE(write_file_atomically(files_, path, as_bytes(text)));
  const auto id = *(*open())->key_id(crypto::KeyPurpose::wrap);
  for (const auto& key : *list_keys_file(folder()))
    if (key.purpose == crypto::KeyPurpose::wrap) {
      EXPECT_EQ(key.id, id);
      EXPECT_EQ(key.made, "");
    }
}

TEST_F(KeysFile, under_a_passphrase_show_nothing_and_open_with_it_alone) {
  ASSERT_TRUE(rotate_key_file(folder(), crypto::KeyPurpose::wrap));  // retired keys, too
  const auto id = *(*open())->key_id(crypto::KeyPurpose::model);
  const auto wrap_id = *(*open())->key_id(crypto::KeyPurpose::wrap);
  std::vector<Bytes> open_files;
  for (const auto& file : private_files()) open_files.push_back(*read_file(files_, file, 10'000));
  EXPECT_EQ(seal_keys_file(folder(), KeySealing::sealed).error().code, Errc::precondition) << "which passphrase?";

  use_passphrase("first");
  EXPECT_EQ(*seal_keys_file(folder(), KeySealing::sealed), 6u);
  for (const auto& file : private_files()) {
    const auto text = std::string(as_text(*read_file(files_, file, 10'000)));
    EXPECT_NE(text.find("\nscrypt 14 8 1 "), std::string::npos) << file;
    EXPECT_EQ(text.find("PRIVATE"), std::string::npos) << file;
    for (const auto& before : open_files) EXPECT_EQ(text.find(as_text(before).substr(50, 40)), std::string::npos);
  }
  use_passphrase("first");  // as another process reads it
  auto keys = open();
  ASSERT_TRUE(keys) << keys.error().text();
  EXPECT_EQ(*(*keys)->key_id(crypto::KeyPurpose::model), id);
  EXPECT_EQ(*(*keys)->key_id(crypto::KeyPurpose::wrap), wrap_id);
  ASSERT_TRUE(rotate_key_file(folder(), crypto::KeyPurpose::model));
  EXPECT_TRUE(as_text(*read_file(files_, dev() + "/model.pem", 10'000)).contains("\nscrypt ")) << "new ones as well";

  use_passphrase("second");
  EXPECT_EQ(open().error().code, Errc::denied);
  EXPECT_NE(open().error().text().find("/second does not open the key"), std::string::npos) << open().error().text();
  passphrase_ = nullptr;
  EXPECT_EQ(open().error().code, Errc::denied);
  EXPECT_NE(open().error().text().find("keys.passphrase"), std::string::npos) << open().error().text();

  use_passphrase("first");
  EXPECT_EQ(*seal_keys_file(folder(), KeySealing::open), 6u);
  passphrase_ = nullptr;
  EXPECT_EQ(*(*open())->key_id(crypto::KeyPurpose::wrap), wrap_id);
}

TEST_F(KeysFile, lose_nothing_when_a_change_of_the_passphrase_is_killed) {
  const auto id = *(*open())->key_id(crypto::KeyPurpose::wrap);
  use_passphrase("first");
  ASSERT_TRUE(seal_keys_file(folder(), KeySealing::sealed));
  bool finished = false;
  for (std::uint64_t step = 1; !finished; step += 3) {
    use_passphrase("second", "first");
    FaultyFiles faulty(files_);
    faulty.fail_change(step);
    finished = seal_keys_file(folder(faulty), KeySealing::sealed).has_value();
    auto keys = open();
    ASSERT_TRUE(keys) << step << ": " << keys.error().text();
    EXPECT_EQ(*(*keys)->key_id(crypto::KeyPurpose::wrap), id) << step;
  }
  use_passphrase("second");
  EXPECT_TRUE(open()) << "the former passphrase opens nothing any more";
  use_passphrase("first");
  EXPECT_EQ(open().error().code, Errc::denied);
}

TEST_F(KeysFile, sealed_and_changed_are_refused_before_they_cost_memory) {
  use_passphrase("first");
  ASSERT_TRUE(seal_keys_file(folder(), KeySealing::sealed));
  const auto path = dev() + "/wrap.key";
  const auto good = std::string(as_text(*read_file(files_, path, 10'000)));
  const auto replaced = [&](std::string_view what, std::string_view by) {
    auto text = good;
    text.replace(text.find(what), what.size(), by);
    EXPECT_TRUE(write_file_atomically(files_, path, as_bytes(text)));
    const auto keys = open();
    EXPECT_FALSE(keys) << by;
    return keys ? Errc::internal : keys.error().code;
  };
  EXPECT_EQ(replaced("scrypt 14 8 1", "scrypt 30 8 1"), Errc::corrupt);
  EXPECT_EQ(replaced("scrypt 14 8 1", "scrypt 14 800 1"), Errc::corrupt);
  EXPECT_EQ(replaced("scrypt 14 8 1", "scrypt 14 8 9"), Errc::corrupt);
  EXPECT_EQ(replaced("scrypt 14 8 1", "scrypt -1 8 1"), Errc::corrupt);
  EXPECT_EQ(replaced("scrypt 14 8 1 ", "scrypt 14 8 1 A"), Errc::corrupt);
  EXPECT_EQ(replaced("scrypt 14 8 1", "scrypt 15 8 1"), Errc::denied) << "another key";
  EXPECT_EQ(replaced("2026-11-27", "2025-11-27"), Errc::denied) << "the first line is bound";
  EXPECT_EQ(replaced("wrap dev", "token dev"), Errc::corrupt);
  ASSERT_TRUE(write_file_atomically(files_, path, as_bytes(good)));
  EXPECT_TRUE(open());
}

}  // namespace
}  // namespace hauberk::adapters
