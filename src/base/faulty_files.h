// FaultyFiles: a Files for tests that stands before another one and fails on purpose: the n-th change, every change
// after the disk is "full", or all that was not synced when the machine "loses power". One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace hauberk {

class FaultyFiles final : public Files {
 public:
  explicit FaultyFiles(Files& real) : real_(real) {}

  // The n-th change from now (1 = the next) fails; 0 = none. Changes: opening for writing, append, sync, truncate,
  // publish, rename, remove, making folders.
  void fail_change(std::uint64_t n) { fail_at_ = n == 0 ? 0 : changes_ + n; }
  // So many more bytes fit; what does not fit is written in part, as a full disk does it.
  void set_room(std::optional<std::uint64_t> bytes) { room_ = bytes; }
  // Cuts every file to what was synced of it.
  void lose_power();
  std::uint64_t changes() const { return changes_; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<File>> open_unnamed(const std::string& directory, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override { return real_.info(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override { return real_.list(directory); }
  Status sync_directory(const std::string& directory) override { return real_.sync_directory(directory); }
  Result<std::uint64_t> free_bytes(const std::string& directory) override { return real_.free_bytes(directory); }

 private:
  friend class FaultyFile;
  Status change(const std::string& path);
  Files& real_;
  std::uint64_t changes_ = 0;
  std::uint64_t fail_at_ = 0;
  std::optional<std::uint64_t> room_;
  std::map<std::string, std::uint64_t> synced_;  // by path: the length that would survive
};

}  // namespace hauberk
