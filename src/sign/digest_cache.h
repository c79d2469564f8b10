// DigestCache: digests of files as long as nobody touches them, so that signing again after a small change reads only
// what changed. A file is the same if device, inode, size and time of change are: every write moves that time, and
// nobody but root can set it. A program that has mapped the file into its memory moves the time with its first write
// after the system has stored the page: so pages are stored before they are hashed, and file systems that store none
// (tmpfs), or of which this is not known, are not kept. What changed less than two seconds before it was hashed is not
// kept, since the clock of a file system may be coarser than two writes. The file belongs to its user alone: whoever
// can write it can forge digests. One thread.
#pragma once

#include <map>
#include <string>

#include "base/file.h"
#include "base/file_tree.h"
#include "base/time.h"

namespace hauberk::sign {

class DigestCache {
 public:
  DigestCache() = default;
  // Of the file, which may be missing. denied: others may write it, or it is another's. A damaged one is an empty one.
  static Result<DigestCache> load(Files& files, const std::string& path);

  // Whether it outlives the process, so that others have time to write what it does not notice.
  bool lasts() const { return lasts_; }

  // Null where it is not known.
  const Bytes* find(const FileTree::Item& item, std::uint64_t begin, std::uint64_t end, bool blake2b) const;
  void keep(const FileTree::Item& item, std::uint64_t begin, std::uint64_t end, bool blake2b, const Bytes& digest,
            Instant now);
  // What was neither found nor kept since load() goes.
  Status save(Files& files, const std::string& path) const;

 private:
  struct Entry {
    Bytes digest;
    mutable bool used = false;
  };
  std::map<std::string, Entry, std::less<>> entries_;
  bool lasts_ = false;
};

}  // namespace hauberk::sign
