// PrivateCopy: a copy of a file or folder in memory that nobody can change once it is sealed: a file system of its own
// (tmpfs) that is mounted nowhere and read-only then, reached by descriptor alone. Whoever verifies the copy and hands
// on its path has no gap between the check and the use: until exec the process is not dumpable, so that nobody of the
// same user reaches the copy through /proc, and after that it is read-only. Who is root can change anything, this, too:
// a command that must not be able to should not run as root. It lives as long as a process holds the descriptor, across
// exec too. Costs as much memory as the content. Made before any thread is started: without root it enters a user
// namespace. Errors: unavailable (the kernel gives no namespace: see user_namespaces(7)), those of base/file_tree,
// exhausted (memory). Source: fsopen(2), fsmount(2), mount_setattr(2).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/file_tree.h"
#include "base/page_bytes.h"

namespace hauberk::app {

class PrivateCopy {
 public:
  static Result<PrivateCopy> of(const std::string& path, const FileTreeOptions& options);

  // Of the file or folder: /proc/<this process>/fd/<number>/<name>, for this process and its children.
  std::string path() const;
  // Takes out the files for which `keep` is false; before seal().
  Status keep_only(const std::function<bool(std::string_view path)>& keep);
  Status seal();

 private:
  PrivateCopy(FileTree tree, Descriptor mount) : tree_(std::move(tree)), mount_(std::move(mount)) {}
  Status copy(const FileTree::Item& item, PageBytes& piece);
  std::string place_of(const FileTree::Item& item) const;  // below the mount

  FileTree tree_;
  Descriptor mount_;
};

}  // namespace hauberk::app
