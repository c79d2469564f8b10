// FileTree: one file, or the regular files below a folder, listed and opened by descriptor, so that nobody can swap a
// part for a link between the listing and the reading: the kernel itself refuses what leads out of the folder (openat2,
// RESOLVE_BENEATH). Devices, sockets and pipes are refused, not skipped; so are symbolic links, unless they are to be
// followed, and then only to what lies below the folder. Thread safety: open_file() any thread, after open(). Errors:
// not_found, denied (permissions), invalid (a link, a device, a cycle), exhausted (too many files), unavailable.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"

namespace hauberk {

struct FileTreeOptions {
  enum class Links {
    refuse,        // whatever they point at, the path given included
    follow_below,  // what is linked counts as if it stood there; the path given may be a link too
  };
  Links links = Links::refuse;
  bool top_may_be_link = false;
  std::size_t most_files = 1'000'000;
  std::size_t most_folders = 200'000;  // links to folders make many of few
  int most_folders_deep = 64;
  // Paths below the folder to leave out, with all that is below them; may be empty.
  std::function<bool(std::string_view path)> leave_out;
  // Refuses a path by an error; may be empty.
  std::function<Status(const std::string& path)> check;
};

class FileTree {
 public:
  struct Item {
    std::string path;  // below the folder, '/'-separated; of a single file its name
    std::uint64_t size = 0;
    // What tells that a file is still the same: every write moves its time of change, which nobody can set.
    std::uint64_t device = 0, inode = 0;
    std::int64_t changed = 0;  // nanoseconds since 1970
    bool operator==(const Item&) const = default;
  };
  static Result<FileTree> open(const std::string& path, const FileTreeOptions& options = {});

  const std::string& name() const { return name_; }  // the last part of the path given
  bool is_single_file() const { return single_; }
  const std::vector<Item>& files() const { return files_; }  // sorted by path, byte by byte
  const std::vector<std::string>& left_out() const { return left_out_; }
  // For reading by position (a single file's position is shared). The item as it is now, which may be another than the
  // listed one, goes to `now`.
  Result<Descriptor> open_file(const Item& item, Item* now = nullptr) const;
  // The same of a file that is open.
  static Result<Item> item_now(const std::string& path, const Descriptor& file);

 private:
  friend class FileTreeWalk;
  Descriptor root_;  // the folder, or the single file
  bool single_ = false;
  FileTreeOptions::Links links_ = FileTreeOptions::Links::refuse;
  std::string name_;
  std::vector<Item> files_;
  std::vector<std::string> left_out_;
};

}  // namespace hauberk
