#include "base/secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <concepts>
#include <cstdlib>
#include <fstream>
#include <type_traits>

namespace hauberk {

// Stands in for the crypto chapter, which has the right to look.
struct crypto::KeyMaterial {
  static SecretAccess access() { return {}; }
};

namespace {

TEST(Secret, cannot_be_copied_or_compared) {
  static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
  static_assert(!std::is_default_constructible_v<SecretAccess>);
  static_assert(!std::equality_comparable<Secret>);
}

TEST(Secret, moves_and_leaves_nothing_behind) {
  Secret a(std::string_view("hunter2"));
  const Secret b(std::move(a));
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(b.reveal_text(crypto::KeyMaterial::access()), "hunter2");
}

TEST(SecretRef, refuses_a_literal_without_repeating_it) {
  const auto ref = SecretRef::parse("sk-live-abcdef");
  ASSERT_FALSE(ref);
  EXPECT_EQ(ref.error().text().find("sk-live"), std::string::npos);
}

TEST(SecretRef, reads_the_environment_and_private_files_only) {
  ::setenv("HAUBERK_TEST_SECRET", "s3", 1);
  EXPECT_EQ(resolve(*SecretRef::parse("env:HAUBERK_TEST_SECRET"))->reveal_text(crypto::KeyMaterial::access()), "s3");
  EXPECT_FALSE(resolve(*SecretRef::parse("env:HAUBERK_TEST_SECRET_NOT_SET")));

  const std::string path = ::testing::TempDir() + "secret_ref_test";
  std::ofstream(path) << "from file\n";
  ::chmod(path.c_str(), 0644);
  const auto open = resolve(SecretRef{"file", path});
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().message.find("chmod 600"), std::string::npos);
  ::chmod(path.c_str(), 0600);
  EXPECT_EQ(resolve(SecretRef{"file", path})->reveal_text(crypto::KeyMaterial::access()), "from file");
}

}  // namespace
}  // namespace hauberk
