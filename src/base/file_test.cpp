#include "base/file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/faulty_files.h"
#include "base/sync.h"

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

TEST_F(FileTest, a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  const auto opened = files_.open(path("pipe"), OpenMode::read);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::invalid);
  EXPECT_FALSE(read_file(files_, path("pipe"), 100));
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

TEST_F(FileTest, a_file_without_a_name_appears_whole_or_not_at_all) {
  for (const auto unnamed : {SystemFiles::Unnamed::where_possible, SystemFiles::Unnamed::never}) {
    SystemFiles files(unnamed);
    {
      auto file = std::move(*files.open_unnamed(dir_, OpenMode::create_new));
      ASSERT_TRUE(file->append(as_bytes("dropped")));
    }
    EXPECT_TRUE(files.list(dir_)->empty());
    auto file = std::move(*files.open_unnamed(dir_, OpenMode::create_new));
    ASSERT_TRUE(file->append(as_bytes("kept")));
    ASSERT_TRUE(file->publish(path("a"), IfThere::refuse));
    EXPECT_EQ(file->publish(path("b"), IfThere::refuse).error().code, Errc::precondition);
    file.reset();
    EXPECT_EQ(*read_file(files, path("a"), 100), to_bytes("kept"));
    EXPECT_EQ(files.info(path("a"))->mode, 0600u);

    auto second = std::move(*files.open_unnamed(dir_, OpenMode::create_public));
    ASSERT_TRUE(second->append(as_bytes("second")));
    EXPECT_EQ(second->publish(path("a"), IfThere::refuse).error().code, Errc::exists);
    EXPECT_EQ(*read_file(files, path("a"), 100), to_bytes("kept"));
    ASSERT_TRUE(write_file_atomically(files, path("a.new"), as_bytes("left by a killed process")));
    ASSERT_TRUE(second->publish(path("a"), IfThere::replace));
    second.reset();
    EXPECT_EQ(*read_file(files, path("a"), 100), to_bytes("second"));
    EXPECT_EQ(files.info(path("a"))->mode & 0700u, 0600u);
    EXPECT_EQ(*files.list(dir_), std::vector<std::string>{"a"});
    ASSERT_TRUE(files.remove(path("a")));
  }
}

TEST_F(FileTest, a_killed_process_leaves_nothing_of_a_file_without_a_name) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto file = files_.open_unnamed(dir_, OpenMode::create_new);
    if (!file || !(*file)->append(Bytes(1 << 20, 7)) || !(*file)->sync()) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_TRUE(files_.list(dir_)->empty()) << "needs a file system with O_TMPFILE: set TEST_TMPDIR";
}

TEST_F(FileTest, readers_beside_several_writers_see_one_whole_content) {
  const auto content = [](int writer) { return Bytes(200'000 + writer, static_cast<std::uint8_t>(writer)); };
  ASSERT_TRUE(write_file_atomically(files_, path("a"), content(0)));
  {
    std::vector<Thread> writers;
    for (int i = 1; i <= 3; ++i)
      writers.emplace_back([&, i] {
        // One that is overtaken between two steps may be told so; it must not damage what the other wrote.
        for (int n = 0; n < 50; ++n) (void)write_file_atomically(files_, path("a"), content(i));
      });
    for (int n = 0; n < 200; ++n) {
      const auto seen = read_file(files_, path("a"), 1 << 20);
      ASSERT_TRUE(seen);
      ASSERT_GE(seen->size(), 200'000u);
      EXPECT_EQ(*seen, content(static_cast<int>(seen->size()) - 200'000));
    }
  }
  EXPECT_EQ(*files_.list(dir_), std::vector<std::string>{"a"});
}

TEST_F(FileTest, power_lost_at_any_step_leaves_the_old_content_or_the_new) {
  bool finished = false;
  for (std::uint64_t step = 1; !finished; ++step) {
    ASSERT_TRUE(write_file_atomically(files_, path("a"), as_bytes("old")));
    FaultyFiles faulty(files_);
    faulty.fail_change(step);
    finished = write_file_atomically(faulty, path("a"), as_bytes("the new one")).has_value();
    faulty.lose_power();
    EXPECT_EQ(as_text(*read_file(files_, path("a"), 100)), finished ? "the new one" : "old") << step;
    EXPECT_EQ(files_.list(dir_)->size(), 1u);
  }
}

TEST_F(FileTest, what_goes_past_the_cache_is_what_was_written) {
  alignas(direct_block) static std::uint8_t memory[16 * direct_block];
  for (std::size_t i = 0; i < sizeof memory; ++i) memory[i] = static_cast<std::uint8_t>(i * 7 / 5);
  const ByteView all(memory);
  const ByteView orders[][5] = {
      {all, all.first(direct_block), all.first(3 * direct_block), {}, {}},
      {all, all.first(5), all, all.subspan(direct_block, 17), all},              // ends within a block
      {all.subspan(1, 2 * direct_block), all, {}, {}, {}},                       // memory that is not aligned
      {all.first(3 * direct_block + 100), all.first(direct_block), {}, {}, {}},  // begins whole, ends within
      {{}, all.first(1), {}, all, {}}};
  int number = 0;
  for (const auto& order : orders)
    for (const std::size_t before : {std::size_t{0}, direct_block, std::size_t{10}}) {
      const auto name = path(fmt::format("{}", number++));
      auto file = std::move(*files_.open_unnamed(dir_, OpenMode::create_new));
      Bytes expected(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before));
      ASSERT_TRUE(file->append(expected));
      file->bypass_cache();
      for (const auto part : order) {
        ASSERT_TRUE(file->append(part));
        expected.insert(expected.end(), part.begin(), part.end());
        Bytes out(expected.size());
        ASSERT_EQ(*file->read_at(0, out), expected.size());
        EXPECT_EQ(out, expected) << number;
      }
      ASSERT_TRUE(file->sync());
      ASSERT_TRUE(file->publish(name, IfThere::refuse));
      EXPECT_EQ(*read_file(files_, name, 1 << 20), expected) << number;
    }
}

TEST_F(FileTest, an_empty_folder_can_be_removed) {
  ASSERT_TRUE(files_.make_directories(path("x/y")));
  EXPECT_FALSE(files_.remove(path("x")));
  ASSERT_TRUE(files_.remove(path("x/y")));
  ASSERT_TRUE(files_.remove(path("x")));
  EXPECT_EQ(files_.remove(path("x")).error().code, Errc::not_found);
}

}  // namespace
}  // namespace hauberk
