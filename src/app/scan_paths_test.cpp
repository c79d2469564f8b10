#include "app/scan_paths.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace hauberk::app {
namespace {

namespace fs = std::filesystem;
using scan::ScanVerdict;

class ScanPaths : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/hauberk_paths_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    for (const auto* name : {"b.pkl", "a/2.pkl", "a/1.pkl", "a/deep/er/3.pkl"}) {
      fs::create_directories((folder_ / name).parent_path());
      std::ofstream(folder_ / name) << "12345";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
  SystemFiles files_;
};

std::vector<scan::Report> reports_of(std::initializer_list<ScanVerdict> verdicts) {
  std::vector<scan::Report> reports;
  for (const auto verdict : verdicts) reports.push_back({.verdict = verdict});
  return reports;
}

TEST_F(ScanPaths, lists_what_was_named_in_order_and_folders_whole_and_sorted) {
  const std::vector<std::string> named = {at("b.pkl"), at("a")};
  const auto targets = collect_targets(files_, named);
  ASSERT_TRUE(targets) << targets.error().text();
  EXPECT_EQ(targets->files,
            (std::vector<std::string>{at("b.pkl"), at("a/1.pkl"), at("a/2.pkl"), at("a/deep/er/3.pkl")}));
  EXPECT_EQ(targets->bytes, 20);
}

TEST_F(ScanPaths, leaves_out_what_version_control_keeps_unless_it_was_named) {
  fs::create_directories(folder_ / "a" / ".git" / "hooks");
  std::ofstream(folder_ / "a" / ".git" / "hooks" / "x") << "#!/bin/sh";
  std::vector<std::string> named = {at("a")};
  const auto targets = collect_targets(files_, named);
  ASSERT_TRUE(targets);
  EXPECT_EQ(targets->inner, (std::vector<std::string>{at("a/.git")}));
  EXPECT_EQ(targets->files.size(), 3u);
  named = {at("a/.git")};
  const auto itself = collect_targets(files_, named);
  ASSERT_TRUE(itself);
  EXPECT_EQ(itself->files, (std::vector<std::string>{at("a/.git/hooks/x")}));
}

TEST_F(ScanPaths, follows_a_link_to_a_folder_that_was_named) {
  fs::create_directory_symlink(folder_ / "a", folder_ / "z");
  const std::vector<std::string> named = {at("z")};
  const auto targets = collect_targets(files_, named);
  ASSERT_TRUE(targets);
  EXPECT_EQ(targets->files.size(), 3u);
}

TEST_F(ScanPaths, keeps_links_in_the_list_and_never_follows_them) {
  fs::create_directory_symlink(folder_ / "a", folder_ / "z");
  fs::create_symlink("nowhere", folder_ / "a" / "broken");
  const std::vector<std::string> named = {folder_.string()};
  const auto targets = collect_targets(files_, named);
  ASSERT_TRUE(targets);
  EXPECT_EQ(targets->files, (std::vector<std::string>{at("a/1.pkl"), at("a/2.pkl"), at("a/broken"),
                                                      at("a/deep/er/3.pkl"), at("b.pkl"), at("z")}));
}

TEST_F(ScanPaths, refuses_a_name_that_does_not_exist) {
  const std::vector<std::string> named = {at("b.pkl"), at("missing")};
  const auto targets = collect_targets(files_, named);
  ASSERT_FALSE(targets);
  EXPECT_EQ(targets.error().code, Errc::not_found);
}

TEST_F(ScanPaths, says_which_folder_it_could_not_read) {
  class Locked final : public Files {
   public:
    Result<std::unique_ptr<File>> open(const std::string& p, OpenMode m) override { return real_.open(p, m); }
    Result<std::unique_ptr<File>> open_unnamed(const std::string& p, OpenMode m) override {
      return real_.open_unnamed(p, m);
    }
    Status rename(const std::string& a, const std::string& b) override { return real_.rename(a, b); }
    Status remove(const std::string& p) override { return real_.remove(p); }
    Status make_directories(const std::string& p) override { return real_.make_directories(p); }
    Result<FileInfo> info(const std::string& p) override { return real_.info(p); }
    Result<std::vector<std::string>> list(const std::string& p) override {
      if (p.ends_with("deep")) return fail(Errc::denied, "Permission denied");
      return real_.list(p);
    }
    Status sync_directory(const std::string& p) override { return real_.sync_directory(p); }
    Result<std::uint64_t> free_bytes(const std::string& p) override { return real_.free_bytes(p); }

   private:
    SystemFiles real_;
  } locked;
  const std::vector<std::string> named = {at("a")};
  const auto targets = collect_targets(locked, named);
  ASSERT_TRUE(targets);
  ASSERT_EQ(targets->unread.size(), 1);
  EXPECT_EQ(targets->unread[0].path, at("a/deep"));
  EXPECT_EQ(targets->unread[0].verdict, ScanVerdict::inconclusive);
  EXPECT_EQ(scan_exit_code(targets->unread), 3);
}

TEST(ScanExitCode, is_one_for_findings_three_for_could_not_check_and_zero_only_for_all_clean) {
  using enum ScanVerdict;
  EXPECT_EQ(scan_exit_code(reports_of({clean, clean})), 0);
  EXPECT_EQ(scan_exit_code(reports_of({clean, review})), 1);
  EXPECT_EQ(scan_exit_code(reports_of({inconclusive, malicious, malformed})), 1);
  EXPECT_EQ(scan_exit_code(reports_of({clean, malformed})), 3);
  EXPECT_EQ(scan_exit_code(reports_of({clean, inconclusive})), 3);
  EXPECT_EQ(scan_exit_code({}), 3);
}

TEST(ScanSummary, counts_what_was_found_worst_first) {
  using enum ScanVerdict;
  EXPECT_EQ(summary_of(reports_of({clean, malicious, clean})), "3 files: 1 malicious, 2 clean");
  EXPECT_EQ(summary_of(reports_of({inconclusive})), "1 file: 1 inconclusive");
  EXPECT_EQ(summary_of({}), "0 files: nothing to scan");
}

}  // namespace
}  // namespace hauberk::app
