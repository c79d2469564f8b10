#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace hauberk {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "hauberk_files_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  std::string path(std::string_view name) const { return join_path(dir_, name); }
  SystemFiles files_;
  std::string dir_;
};

TEST_F(FileTest, an_atomic_write_replaces_the_whole_content_with_private_mode) {
  ASSERT_TRUE(write_file_atomically(files_, path("a"), as_bytes("first, and longer")));
  ASSERT_TRUE(write_file_atomically(files_, path("a"), as_bytes("second")));
  EXPECT_EQ(*read_file(files_, path("a"), 100), to_bytes("second"));
  EXPECT_EQ(files_.info(path("a"))->mode, 0600u);
  EXPECT_EQ(*files_.list(dir_), std::vector<std::string>{"a"});
}

TEST_F(FileTest, create_new_never_overwrites) {
  ASSERT_TRUE(files_.open(path("a"), OpenMode::create_new));
  const auto again = files_.open(path("a"), OpenMode::create_new);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::exists);
}

TEST_F(FileTest, errors_name_the_path_and_what_to_do) {
  const auto missing = read_file(files_, path("missing"), 100);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_NE(missing.error().text().find(path("missing")), std::string::npos);
  EXPECT_FALSE(files_.open(dir_, OpenMode::read)) << "a folder is no file";
}

TEST_F(FileTest, files_over_the_limit_are_refused) {
  ASSERT_TRUE(write_file_atomically(files_, path("a"), as_bytes("12345")));
  EXPECT_TRUE(read_file(files_, path("a"), 5));
  EXPECT_FALSE(read_file(files_, path("a"), 4));
}

TEST_F(FileTest, reads_and_appends_keep_their_places) {
  auto file = files_.open(path("log"), OpenMode::append);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append(as_bytes("abc")));
  ASSERT_TRUE((*file)->append(as_bytes("def")));
  Bytes out(10);
  EXPECT_EQ(*(*file)->read_at(2, out), 4u);
  ASSERT_TRUE((*file)->truncate(4));
  ASSERT_TRUE((*file)->append(as_bytes("X")));
  EXPECT_EQ(*read_file(files_, path("log"), 100), to_bytes("abcdX"));
}

TEST_F(FileTest, folders_are_made_with_their_parents) {
  ASSERT_TRUE(files_.make_directories(path("x/y/z")));
  ASSERT_TRUE(files_.make_directories(path("x/y/z")));
  EXPECT_EQ(files_.info(path("x/y/z"))->mode, 0700u);
  ASSERT_TRUE(write_file_atomically(files_, path("plain"), {}));
  EXPECT_FALSE(files_.make_directories(path("plain")));
}

}  // namespace
}  // namespace hauberk
