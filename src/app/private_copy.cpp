#include "app/private_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/file.h"

namespace hauberk::app {
namespace {

constexpr std::size_t copy_piece = 1 << 20;

// The system's headers of all releases do not name these calls.
int fs_open(const char* type) { return static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }
int fs_config(int fs, unsigned command, const char* key, const char* value) {
  return static_cast<int>(::syscall(SYS_fsconfig, fs, command, key, value, 0));
}
int fs_mount(int fs) { return static_cast<int>(::syscall(SYS_fsmount, fs, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)); }

std::unexpected<Error> no_namespace(std::string_view what) {
  return fail(Errc::unavailable,
              fmt::format("the kernel gives no private file system ({}: {}); run it as root, or allow user namespaces "
                          "(on Ubuntu kernel.apparmor_restrict_unprivileged_userns)",
                          what, ::strerror(errno)));
}

Status write_text(const char* path, const std::string& text) {
  const Descriptor file(::open(path, O_WRONLY | O_CLOEXEC));
  if (file.get() < 0 || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return no_namespace(path);
  return {};
}

// Who is not root is who they were, in a namespace where they may mount.
Status enter_namespace() {
  const auto user = ::geteuid();
  const auto group = ::getegid();
  if (user == 0) return {};
  if (::unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0) return no_namespace("unshare");
  CHECK(write_text("/proc/self/setgroups", "deny"));
  CHECK(write_text("/proc/self/uid_map", fmt::format("{} {} 1", user, user)));
  return write_text("/proc/self/gid_map", fmt::format("{} {} 1", group, group));
}

Result<Descriptor> mount_memory(std::uint64_t bytes) {
  // From here to exec no other process of the same user reaches the copy by /proc.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return no_namespace("prctl");
  const Descriptor fs(fs_open("tmpfs"));
  if (fs.get() < 0) return no_namespace("fsopen");
  const auto size = std::to_string(bytes);
  // Large pages, where the kernel has them, for copying and for who maps the model.
  (void)fs_config(fs.get(), FSCONFIG_SET_STRING, "huge", "within_size");
  if (fs_config(fs.get(), FSCONFIG_SET_STRING, "size", size.c_str()) != 0 ||
      fs_config(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) != 0)
    return no_namespace("fsconfig");
  Descriptor mount(fs_mount(fs.get()));  // not closed at exec: whoever runs then holds it
  if (mount.get() < 0) return no_namespace("fsmount");
  return mount;
}

// What the kernel could give without swapping; without its word all there is.
std::uint64_t available_memory() {
  SystemFiles files;
  const auto text = read_file(files, "/proc/meminfo", 64 << 10);
  constexpr std::string_view label = "MemAvailable:";
  const auto at = text ? as_text(*text).find(label) : std::string_view::npos;
  if (at == std::string_view::npos) return UINT64_MAX;
  const auto rest = as_text(*text).substr(at + label.size());
  const auto begin = rest.find_first_not_of(' ');
  std::uint64_t kilobytes = 0;
  if (begin == std::string_view::npos ||
      std::from_chars(rest.data() + begin, rest.data() + rest.size(), kilobytes).ec != std::errc())
    return UINT64_MAX;
  return kilobytes << 10;
}

Status could_not_copy(const std::string& path) {
  return fail(errno == ENOSPC || errno == ENOMEM ? Errc::exhausted : Errc::unavailable,
              fmt::format("it cannot be copied into memory: {}", ::strerror(errno)), path);
}

}  // namespace

std::string PrivateCopy::place_of(const FileTree::Item& item) const {
  return tree_.is_single_file() ? tree_.name() : tree_.name() + "/" + item.path;
}

std::string PrivateCopy::path() const {
  return fmt::format("/proc/{}/fd/{}/{}", ::getpid(), mount_.get(), tree_.name());
}

Status PrivateCopy::copy(const FileTree::Item& item, PageBytes& piece) {
  const auto place = place_of(item);
  for (auto slash = place.find('/'); slash != std::string::npos; slash = place.find('/', slash + 1))
    if (::mkdirat(mount_.get(), place.substr(0, slash).c_str(), 0700) != 0 && errno != EEXIST)
      return could_not_copy(item.path);
  const auto from = TRY(tree_.open_file(item));
  const Descriptor to(
      ::openat(mount_.get(), place.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400));
  if (to.get() < 0) return could_not_copy(item.path);
  // Large pages are given within a file's size only.
  if (::ftruncate(to.get(), static_cast<off_t>(item.size)) != 0) return could_not_copy(item.path);
  for (off_t at = 0;;) {
    const auto count = ::pread(from.get(), piece.data(), piece.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return could_not_copy(item.path);
    if (count == 0) return ::ftruncate(to.get(), at) == 0 ? Status() : could_not_copy(item.path);
    for (ssize_t done = 0; done < count;) {
      const auto written = ::write(to.get(), piece.data() + done, static_cast<std::size_t>(count - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return could_not_copy(item.path);
      done += written;
    }
    at += count;
  }
}

Result<PrivateCopy> PrivateCopy::of(const std::string& path, const FileTreeOptions& options) {
  auto tree = TRY(FileTree::open(path, options));
  // What it says now; what grows meanwhile does not fit. Each file and folder takes pages of its own.
  std::uint64_t bytes = 1 << 20;
  for (const auto& item : tree.files()) bytes += item.size + 16384;
  if (const auto free = available_memory(); bytes > free)
    return fail(Errc::exhausted,
                fmt::format("a copy takes {} MB of memory, and {} MB are available", bytes >> 20, free >> 20), path);
  CHECK(enter_namespace());
  PrivateCopy copy(std::move(tree), TRY(mount_memory(bytes)));
  PageBytes piece(copy_piece);
  for (const auto& item : copy.tree_.files()) CHECK(copy.copy(item, piece));
  return copy;
}

Status PrivateCopy::keep_only(const std::function<bool(std::string_view path)>& keep) {
  for (const auto& item : tree_.files())
    if (!keep(item.path) && ::unlinkat(mount_.get(), place_of(item).c_str(), 0) != 0)
      return fail(Errc::internal, fmt::format("a file cannot be taken out of the copy: {}", ::strerror(errno)),
                  item.path);
  return {};
}

// The mount, and the file system under it: the mount's own flag may be taken off by whoever runs with it.
Status PrivateCopy::seal() {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::syscall(SYS_mount_setattr, mount_.get(), "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) != 0)
    return no_namespace("mount_setattr");
  const Descriptor fs(static_cast<int>(::syscall(SYS_fspick, mount_.get(), "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC)));
  if (fs.get() < 0) return no_namespace("fspick");
  if (fs_config(fs.get(), FSCONFIG_SET_FLAG, "ro", nullptr) != 0 ||
      fs_config(fs.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr) != 0)
    return no_namespace("fsconfig");
  return {};
}

}  // namespace hauberk::app
