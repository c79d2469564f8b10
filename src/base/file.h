// Files as an injected port, so that tests can fail the n-th call, forget what was not synced, or fill the disk.
// SystemFiles is POSIX. Every error names the path and says what to do. Thread safety: any thread; a File by one thread
// at a time, except read_at, which any thread may call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace hauberk {

inline constexpr std::size_t direct_block = 4096;

enum class IfThere { replace, refuse };

class File {
 public:
  virtual ~File() = default;
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const = 0;  // short only at the end
  virtual Status append(ByteView bytes) = 0;                                              // all or an error
  virtual Status sync() = 0;                                                              // data is on the device
  virtual Result<std::uint64_t> size() const = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  // A hint that what is appended from now on is large and not read soon: where the file system can, it goes past the
  // page cache (O_DIRECT), which saves a copy and leaves the cache to others. Works for blocks of `direct_block` from
  // memory that is aligned to it; the first append of anything else ends it, and so does reading. Never changes what is
  // written.
  virtual void bypass_cache() = 0;
  // Of a file from Files::open_unnamed, once, on the same file system: gives it its name, and syncs the folder. Readers
  // see the old content or the new, never a part; what is in it must have been synced before. exists: with
  // IfThere::refuse, if something has that name.
  virtual Status publish(const std::string& path, IfThere if_there) = 0;
};

enum class OpenMode {
  read,           // must exist
  append,         // made with mode 0600 if missing; appends at the end
  create_new,     // must not exist; mode 0600
  create_public,  // the same, for everybody to read: mode 0666 less the umask
};

struct FileInfo {
  std::uint64_t size = 0;
  std::uint32_t mode = 0;  // permission bits
  bool directory = false;
  Instant modified{};       // last write
  std::uint32_t owner = 0;  // user id
  bool special = false;     // a pipe, a device or a socket
};

class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // A file that has no name yet: unless it is published it is gone with the object, also when the process is killed or
  // the power fails (O_TMPFILE). Where the file system has none of those it lies in `directory` as PID-NUMBER.part and
  // a killed process leaves it there. `mode`: create_new or create_public, as above.
  virtual Result<std::unique_ptr<File>> open_unnamed(const std::string& directory, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // atomic, then the folder is synced
  virtual Status remove(const std::string& path) = 0;                         // a file or an empty folder; not_found
  virtual Status make_directories(const std::string& path) = 0;               // mode 0700; fine if it exists
  virtual Result<FileInfo> info(const std::string& path) = 0;                 // does not follow a final link
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted
  virtual Status sync_directory(const std::string& directory) = 0;
  virtual Result<std::uint64_t> free_bytes(const std::string& directory) = 0;
};

class SystemFiles final : public Files {
 public:
  enum class Unnamed { where_possible, never };  // never: as on a file system without O_TMPFILE, for tests
  explicit SystemFiles(Unnamed unnamed = Unnamed::where_possible) : unnamed_(unnamed) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::unique_ptr<File>> open_unnamed(const std::string& directory, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directories(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status sync_directory(const std::string& directory) override;
  Result<std::uint64_t> free_bytes(const std::string& directory) override;

 private:
  const Unnamed unnamed_;
};

// The whole file, refused above `limit` bytes.
Result<Bytes> read_file(Files& files, const std::string& path, std::uint64_t limit);
// Writes without a name, syncs, publishes: readers see the old content or the new, never a part.
Status write_file_atomically(Files& files, const std::string& path, ByteView content,
                             OpenMode mode = OpenMode::create_new, IfThere if_there = IfThere::replace);
std::string join_path(std::string_view directory, std::string_view name);
std::string parent_directory(std::string_view path);

}  // namespace hauberk
