#include "base/file_tree.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hauberk {
namespace {

class FileTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hauberk-tree-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string path(const std::string& name) const { return root_ + "/" + name; }
  void write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
  }
  static std::string read(const FileTree& tree, const FileTree::Item& item) {
    const auto file = tree.open_file(item);
    if (!file) return "error: " + file.error().text();
    std::string text(item.size, '\0');
    text.resize(static_cast<std::size_t>(::pread(file->get(), text.data(), text.size(), 0)));
    return text;
  }
  std::string root_;
};

using Links = FileTreeOptions::Links;

TEST_F(FileTreeTest, lists_by_path_and_leaves_out_what_it_is_told) {
  write("m/b", "B");
  write("m/a/z", "Z");
  write("m/a-b", "AB");
  write("m/.git/config", "");
  write("m/sub/.git/config", "C");
  const auto tree = FileTree::open(path("m"), {.leave_out = [](std::string_view p) { return p == ".git"; }});
  ASSERT_TRUE(tree) << tree.error().text();
  std::string seen;
  for (const auto& file : tree->files()) seen += file.path + "=" + read(*tree, file) + " ";
  EXPECT_EQ(seen, "a-b=AB a/z=Z b=B sub/.git/config=C ");
  EXPECT_EQ(tree->left_out(), std::vector<std::string>{".git"});
}

TEST_F(FileTreeTest, follows_links_only_below_and_only_if_told) {
  write("m/a", "A");
  write("m/sub/b", "B");
  write("outside", "O");
  std::filesystem::create_symlink("sub/b", path("m/link"));
  std::filesystem::create_symlink("sub", path("m/folder"));
  EXPECT_EQ(FileTree::open(path("m")).error().code, Errc::invalid);
  const auto tree = FileTree::open(path("m"), {.links = Links::follow_below});
  ASSERT_TRUE(tree) << tree.error().text();
  std::string seen;
  for (const auto& file : tree->files()) seen += file.path + "=" + read(*tree, file) + " ";
  EXPECT_EQ(seen, "a=A folder/b=B link=B sub/b=B ");

  std::filesystem::create_symlink("../outside", path("m/out"));
  EXPECT_EQ(FileTree::open(path("m"), {.links = Links::follow_below}).error().code, Errc::invalid);
  std::filesystem::remove(path("m/out"));
  std::filesystem::create_symlink(path("m/a"), path("m/absolute"));
  EXPECT_EQ(FileTree::open(path("m"), {.links = Links::follow_below}).error().code, Errc::invalid)
      << "an absolute link leaves the folder, wherever it points";
  std::filesystem::remove(path("m/absolute"));
  std::filesystem::create_symlink(".", path("m/sub/cycle"));
  EXPECT_EQ(FileTree::open(path("m"), {.links = Links::follow_below}).error().code, Errc::invalid);
}

TEST_F(FileTreeTest, the_path_given_may_be_a_link_only_if_told) {
  write("m/a", "A");
  std::filesystem::create_symlink("m", path("to_m"));
  EXPECT_EQ(FileTree::open(path("to_m")).error().code, Errc::invalid);
  EXPECT_TRUE(FileTree::open(path("to_m"), {.top_may_be_link = true}));
}

TEST_F(FileTreeTest, a_link_put_there_after_the_listing_is_not_followed) {
  write("m/sub/weights", "W");
  write("secret/weights", "S");
  const auto tree = FileTree::open(path("m"));
  ASSERT_TRUE(tree);
  std::filesystem::rename(path("m/sub"), path("m/old"));
  std::filesystem::create_symlink(path("secret"), path("m/sub"));
  EXPECT_FALSE(tree->open_file(tree->files()[0]));
}

TEST_F(FileTreeTest, refuses_pipes_and_sockets_without_waiting_for_them) {
  write("m/a", "A");
  ASSERT_EQ(::mkfifo(path("m/pipe").c_str(), 0600), 0);
  EXPECT_EQ(FileTree::open(path("m")).error().code, Errc::invalid);
  EXPECT_EQ(FileTree::open(path("m/pipe")).error().code, Errc::invalid);
}

TEST_F(FileTreeTest, is_bounded_in_files_and_depth) {
  for (int i = 0; i < 5; ++i) write("m/" + std::to_string(i), "");
  EXPECT_EQ(FileTree::open(path("m"), {.most_files = 4}).error().code, Errc::exhausted);
  write("d/1/2/3/4/f", "");
  EXPECT_EQ(FileTree::open(path("d"), {.most_folders_deep = 3}).error().code, Errc::invalid);
}

TEST_F(FileTreeTest, sees_that_a_file_changed_even_if_its_time_was_set_back) {
  write("m/a", "A");
  const auto tree = FileTree::open(path("m"));
  ASSERT_TRUE(tree);
  const auto before = std::filesystem::last_write_time(path("m/a"));
  write("m/a", "B");
  std::filesystem::last_write_time(path("m/a"), before);
  FileTree::Item now;
  ASSERT_TRUE(tree->open_file(tree->files()[0], &now));
  EXPECT_NE(now, tree->files()[0]);
}

}  // namespace
}  // namespace hauberk
