#include "base/file_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace hauberk {
namespace {

using Links = FileTreeOptions::Links;

std::unexpected<Error> cannot(std::string_view what, const std::string& where) {
  const int reason = errno;
  switch (reason) {
    case ENOENT:
      return fail(Errc::not_found, "there is no such file or folder; check the path", where);
    case ELOOP:
    case ENOTDIR:
      return fail(Errc::invalid, "it is a symbolic link, or became one; name what it points at instead", where);
    case EXDEV:
      return fail(Errc::invalid, "it is a symbolic link that leads out of the folder", where);
    case EACCES:
    case EPERM:
      return fail(Errc::unavailable, "this user may not read it; check the permissions", where);
    case ENOSYS:
      return fail(Errc::unsupported, "folders can only be read safely by Linux 5.6 and later (openat2)", where);
    default:
      return fail(Errc::unavailable, fmt::format("cannot {} it: {}", what, ::strerror(reason)), where);
  }
}

// O_NONBLOCK: opening a pipe must not wait for its writer.
constexpr int reading = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// Nothing on the way leads out of the folder; with `refuse` nothing on the way is a link.
Descriptor open_below(int folder, const std::string& path, Links links, int flags = reading) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (links == Links::refuse ? RESOLVE_NO_SYMLINKS : 0);
  // EAGAIN: somebody renamed something, anywhere, while ".." was on the way, and the kernel could not be sure.
  constexpr int attempts = 10'000;
  int opened = -1;
  for (int i = 0; i < attempts; ++i) {
    opened = static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how));
    if (opened >= 0 || errno != EAGAIN) break;
  }
  return Descriptor(opened);
}

FileTree::Item described(std::string path, const struct stat& info) {
  return {std::move(path), static_cast<std::uint64_t>(info.st_size), info.st_dev, info.st_ino,
          info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

class FileTreeWalk {
 public:
  FileTreeWalk(FileTree& tree, const FileTreeOptions& options) : tree_(tree), options_(options) {}

  // Folders are opened from the root each time, so that the kernel checks the whole way.
  Status walk(int folder, const std::string& prefix, int depth) {
    if (depth > options_.most_folders_deep)
      return fail(Errc::invalid, fmt::format("folders are nested deeper than {}", options_.most_folders_deep), prefix);
    const auto where = prefix.empty() ? tree_.name_ : prefix;
    struct stat info{};
    if (::fstat(folder, &info) != 0) return cannot("examine", where);
    const auto identity = std::pair(info.st_dev, info.st_ino);
    if (std::ranges::find(above_, identity) != above_.end())
      return fail(Errc::invalid, "it is a symbolic link to a folder that holds it", where);
    if (++folders_ > options_.most_folders)
      return fail(
          Errc::exhausted,
          fmt::format("there are more than {} folders, those behind links counted each time", options_.most_folders),
          tree_.name_);
    above_.push_back(identity);
    CHECK(each_name(folder, prefix, where, depth));
    above_.pop_back();
    return {};
  }

 private:
  Status each_name(int folder, const std::string& prefix, const std::string& where, int depth) {
    const int copy = ::fcntl(folder, F_DUPFD_CLOEXEC, 0);  // closedir closes what it is given
    DIR* listing = copy < 0 ? nullptr : ::fdopendir(copy);
    if (listing == nullptr) {
      if (copy >= 0) ::close(copy);
      return cannot("list", where);
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(listing, &::closedir);
    for (;;) {
      errno = 0;
      const auto* entry = ::readdir(listing);
      if (entry == nullptr) return errno == 0 ? Status{} : cannot("list", where);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") CHECK(take(prefix + std::string(name), depth));
    }
  }

  Status take(const std::string& path, int depth) {
    if (options_.leave_out && options_.leave_out(path)) {
      tree_.left_out_.push_back(path);
      return {};
    }
    if (options_.check) CHECK(options_.check(path));
    // O_PATH opens nothing of a device or a pipe; what kind of thing it is comes first.
    const auto found = open_below(tree_.root_.get(), path, options_.links, O_PATH | O_CLOEXEC);
    if (!found) return cannot("examine", path);
    struct stat info{};
    if (::fstat(found.get(), &info) != 0) return cannot("examine", path);
    if (S_ISDIR(info.st_mode)) {
      const auto below = open_below(tree_.root_.get(), path, options_.links, reading | O_DIRECTORY);
      if (!below) return cannot("open", path);
      return walk(below.get(), path + "/", depth + 1);
    }
    if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, "it is neither a file nor a folder", path);
    if (tree_.files_.size() >= options_.most_files)
      return fail(Errc::exhausted, fmt::format("the folder holds more than {} files", options_.most_files),
                  tree_.name_);
    tree_.files_.push_back(described(path, info));
    return {};
  }

  FileTree& tree_;
  const FileTreeOptions& options_;
  std::vector<std::pair<dev_t, ino_t>> above_;  // the folders on the way down
  std::size_t folders_ = 0;
};

Result<FileTree> FileTree::open(const std::string& path, const FileTreeOptions& options) {
  auto trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  const bool follow = options.links == Links::follow_below || options.top_may_be_link;
  FileTree tree;
  tree.root_ = Descriptor(::open(trimmed.c_str(), reading | (follow ? 0 : O_NOFOLLOW)));
  if (!tree.root_) return cannot("open", path);
  tree.links_ = options.links;
  tree.name_ = trimmed.substr(trimmed.rfind('/') + 1);
  struct stat info{};
  if (::fstat(tree.root_.get(), &info) != 0) return cannot("examine", path);
  if (S_ISREG(info.st_mode)) {
    if (options.check) CHECK(options.check(tree.name_));
    tree.single_ = true;
    tree.files_.push_back(described(tree.name_, info));
    return tree;
  }
  if (!S_ISDIR(info.st_mode)) return fail(Errc::invalid, "it is neither a file nor a folder", path);
  CHECK(FileTreeWalk(tree, options).walk(tree.root_.get(), "", 0));
  std::ranges::sort(tree.files_, {}, &Item::path);
  std::ranges::sort(tree.left_out_);
  return tree;
}

Result<Descriptor> FileTree::open_file(const Item& item, Item* now) const {
  auto file =
      single_ ? Descriptor(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0)) : open_below(root_.get(), item.path, links_);
  if (!file) return cannot("open", item.path);
  auto current = TRY(item_now(item.path, file));
  if (now != nullptr) *now = std::move(current);
  return file;
}

Result<FileTree::Item> FileTree::item_now(const std::string& path, const Descriptor& file) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return cannot("examine", path);
  if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, "it is no regular file any more", path);
  return described(path, info);
}

}  // namespace hauberk
