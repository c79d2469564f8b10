#include "adapters/keys_file_address.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace hauberk::adapters {
namespace {

namespace fs = std::filesystem;

class KeysFileAddress : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "hauberk_address_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path() const { return folder_ + "/keys/store/address.key"; }
  AddressKeyFile file() { return {files_, random_, clock_, path(), passphrase_}; }
  Result<Secret> open(bool store_has_one = true) { return open_address_key(file(), store_has_one); }
  std::string text() { return std::string(as_text(*read_file(files_, path(), 1 << 10))); }
  void use_passphrase(const std::string& text) {
    ASSERT_TRUE(write_file_atomically(files_, folder_ + "/passphrase", as_bytes(text)));
    passphrase_ =
        std::make_shared<KeyPassphrase>(SecretRef{"file", folder_ + "/passphrase"}, std::vector<SecretRef>(), 14);
  }

  SystemFiles files_;
  SystemRandom random_;
  ManualClock clock_{*parse_rfc3339("2026-11-27T02:30:00Z")};
  std::shared_ptr<KeyPassphrase> passphrase_;
  std::string folder_;
};

TEST_F(KeysFileAddress, it_is_made_once_and_guarded) {
  const auto key = open(false);
  ASSERT_TRUE(key) << key.error().text();
  EXPECT_EQ(files_.info(path())->mode, 0600u);
  EXPECT_TRUE(open()->same_as(*key));
  EXPECT_TRUE(open(false)->same_as(*key));
  const auto content = text();
  EXPECT_TRUE(content.starts_with("hauberk-key-v1 address store 2026-11-27T02:30:00Z check:")) << content;
  const auto listed = list_address_key(file());
  ASSERT_TRUE(listed);
  EXPECT_TRUE(listed->id.starts_with("aes256:"));
  EXPECT_EQ(listed->made, "2026-11-27T02:30:00Z");
  EXPECT_FALSE(listed->sealed);

  // Release 0.1 wrote no time.
  ASSERT_TRUE(write_file_atomically(
      files_, path(), as_bytes("hauberk-key-v1 address store\n" + content.substr(content.find('\n') + 1))));
  EXPECT_TRUE(open()->same_as(*key));

  fs::permissions(path(), fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(open().error().code, Errc::denied);
  for (const auto& damaged :
       {std::string("hauberk-key-v1 wrap dev\nAAAA\n"), std::string(), content.substr(0, content.size() - 5),
        std::string("hauberk-key-v1 address store\nAAAA\n")}) {
    ASSERT_TRUE(write_file_atomically(files_, path(), as_bytes(damaged)));
    EXPECT_EQ(open().error().code, Errc::corrupt) << damaged;
  }
  fs::remove(path());
  const auto missing = open();
  ASSERT_FALSE(missing) << "a new key would find no blob";
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_NE(missing.error().text().find("backup"), std::string::npos);
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(KeysFileAddress, a_passphrase_seals_it) {
  const auto key = open(false);
  ASSERT_TRUE(key);
  EXPECT_EQ(seal_address_key(file(), KeySealing::sealed).error().code, Errc::precondition) << "with none";
  const auto before = text();
  use_passphrase("long enough to be one");
  EXPECT_TRUE(open()->same_as(*key)) << "an open file is read as well";
  ASSERT_TRUE(seal_address_key(file(), KeySealing::sealed));
  EXPECT_NE(text().find("\nscrypt "), std::string::npos);
  EXPECT_EQ(text().find(before.substr(before.find('\n') + 1, 20)), std::string::npos);
  EXPECT_TRUE(open()->same_as(*key));
  EXPECT_TRUE(list_address_key(file())->sealed);
  use_passphrase("quite another one");
  EXPECT_EQ(open().error().code, Errc::denied);
  passphrase_ = nullptr;
  EXPECT_EQ(open().error().code, Errc::denied);
  use_passphrase("long enough to be one");
  ASSERT_TRUE(seal_address_key(file(), KeySealing::open));
  EXPECT_EQ(text(), before);
}

TEST_F(KeysFileAddress, with_a_passphrase_it_is_made_sealed) {
  use_passphrase("long enough to be one");
  const auto key = open(false);
  ASSERT_TRUE(key) << key.error().text();
  EXPECT_NE(text().find("\nscrypt "), std::string::npos);
  EXPECT_TRUE(open()->same_as(*key));
}

}  // namespace
}  // namespace hauberk::adapters
