#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

namespace hauberk {
namespace {

// One sentence for what went wrong and one for what to do.
std::unexpected<Error> system_error(std::string_view doing, std::string_view path) {
  const int e = errno;
  const auto code = [&] {
    switch (e) {
      case ENOENT:
      case ENOTDIR:
        return Errc::not_found;
      case EEXIST:
        return Errc::exists;
      case ENOSPC:
      case EDQUOT:
      case EFBIG:
      case EMFILE:
      case ENFILE:
        return Errc::exhausted;
      case EIO:
        return Errc::corrupt;
      default:
        return Errc::unavailable;
    }
  }();
  const std::string_view advice = [&]() -> std::string_view {
    switch (e) {
      case ENOENT:
        return "; check the path";
      case EACCES:
      case EPERM:
        return "; check owner and permissions";
      case EROFS:
        return "; the file system is mounted read-only: remount it or choose another folder";
      case ENOSPC:
      case EDQUOT:
        return "; make room and try again";
      case EFBIG:
        return "; the file size limit is reached (ulimit -f)";
      case EMFILE:
      case ENFILE:
        return "; raise the limit of open files (ulimit -n)";
      case EIO:
        return "; check the disk";
      default:
        return "";
    }
  }();
  return fail(code, fmt::format("cannot {}: {}{}", doing, ::strerror(e), advice), std::string(path));
}

Status sync_folder(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_error("open the folder", directory);
  const int result = ::fsync(fd);
  const int e = errno;
  ::close(fd);
  errno = e;
  if (result != 0) return system_error("sync the folder to disk", directory);
  return {};
}

class PosixFile final : public File {
 public:
  enum class Kind { named, unnamed, temporary };  // temporary: unnamed by intent, but it has a name

  // `path` of an unnamed file is that of its folder.
  PosixFile(int fd, std::string path, Kind kind = Kind::named) : fd_(fd), path_(std::move(path)), kind_(kind) {}
  ~PosixFile() override {
    ::close(fd_);
    if (kind_ == Kind::temporary) (void)::unlink(path_.c_str());
  }

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const override {
    if (direct_) CHECK(stop_bypassing());  // reading past the cache would need aligned memory as well
    std::size_t done = 0;
    while (done < out.size()) {
      const auto n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error("read the file", path_);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  Status append(ByteView bytes) override {
    while (!bytes.empty()) {
      if (direct_ && !fits_directly(bytes)) CHECK(stop_bypassing());
      const auto n = ::write(fd_, bytes.data(), direct_ ? bytes.size() / direct_block * direct_block : bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EINVAL && direct_) {  // this file system takes the flag, and then nothing
        CHECK(stop_bypassing());
        continue;
      }
      if (n < 0) return system_error("write the file", path_);
      end_ += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return system_error("sync the file to disk", path_);
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat info{};
    if (::fstat(fd_, &info) != 0) return system_error("examine the file", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Status truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return system_error("shorten the file", path_);
    return {};
  }

  void bypass_cache() override {
    const auto now = size();
    const int flags = ::fcntl(fd_, F_GETFL);
    if (!now || flags < 0 || ::fcntl(fd_, F_SETFL, flags | O_DIRECT) != 0) return;
    direct_ = true;
    end_ = *now;
  }

  Status publish(const std::string& path, IfThere if_there) override {
    if (kind_ == Kind::named) return fail(Errc::precondition, "the file has a name already", path_);
    if (!link_as(path)) {
      if (errno != EEXIST || if_there == IfThere::refuse) return system_error("name the file", path);
      // A link cannot replace: it gets a name beside, complete as it is, and a rename does.
      const std::string beside = path + ".new";
      while (!link_as(beside)) {
        if (errno != EEXIST) return system_error("name the file", beside);
        if (::unlink(beside.c_str()) != 0 && errno != ENOENT) return system_error("remove the file", beside);
      }
      if (::rename(beside.c_str(), path.c_str()) != 0) {
        auto failed = system_error("rename the file", beside);
        (void)::unlink(beside.c_str());
        return failed;
      }
    }
    if (kind_ == Kind::temporary) (void)::unlink(path_.c_str());
    kind_ = Kind::named;
    path_ = path;
    return sync_folder(parent_directory(path));
  }

 private:
  bool fits_directly(ByteView bytes) const {
    return bytes.size() >= direct_block && end_ % direct_block == 0 &&
           reinterpret_cast<std::uintptr_t>(bytes.data()) % direct_block == 0;
  }
  Status stop_bypassing() const {
    direct_ = false;
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags & ~O_DIRECT) != 0) return system_error("write the file", path_);
    return {};
  }
  bool link_as(const std::string& path) const {
    if (kind_ == Kind::temporary) return ::link(path_.c_str(), path.c_str()) == 0;
    const auto self = fmt::format("/proc/self/fd/{}", fd_);
    return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0;
  }

  int fd_;
  std::string path_;
  Kind kind_;
  mutable std::atomic<bool> direct_ = false;  // any thread may read
  std::uint64_t end_ = 0;                     // while direct_
};

mode_t mode_of(OpenMode mode) { return mode == OpenMode::create_public ? 0666 : 0600; }

// A file without a name gets its name through /proc.
bool descriptors_have_paths() {
  static const bool have = ::access("/proc/self/fd", X_OK) == 0;
  return have;
}

}  // namespace

Result<std::unique_ptr<File>> SystemFiles::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::read:
      flags |= O_RDONLY | O_NONBLOCK;  // a pipe that nobody writes would wait for ever
      break;
    case OpenMode::append:
      flags |= O_RDWR | O_CREAT | O_APPEND;
      break;
    case OpenMode::create_new:
    case OpenMode::create_public:
      flags |= O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW;
      break;
  }
  const int fd = ::open(path.c_str(), flags, mode_of(mode));
  if (fd < 0) return system_error(mode == OpenMode::read ? "open the file" : "open the file for writing", path);
  struct stat info{};
  if (::fstat(fd, &info) != 0 || S_ISDIR(info.st_mode) || S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)) {
    ::close(fd);
    return fail(Errc::invalid,
                S_ISDIR(info.st_mode) ? "expected a file, but this is a folder"
                                      : "expected a file, but this is a pipe: write it to a file first",
                path);
  }
  return std::make_unique<PosixFile>(fd, path);
}

Result<std::unique_ptr<File>> SystemFiles::open_unnamed(const std::string& directory, OpenMode mode) {
  if (unnamed_ == Unnamed::where_possible && descriptors_have_paths()) {
    const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, mode_of(mode));
    if (fd >= 0) return std::make_unique<PosixFile>(fd, directory, PosixFile::Kind::unnamed);
    // What file systems without such files answer; kernels that do not know the flag see an open folder.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
      return system_error("make a file in the folder", directory);
  }
  static std::atomic<std::uint64_t> counter{0};
  for (;;) {
    const auto name = fmt::format("{}-{:016x}.part", ::getpid(), counter.fetch_add(1));
    auto path = join_path(directory, name);
    const int fd = ::open(path.c_str(), O_CLOEXEC | O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, mode_of(mode));
    if (fd >= 0) return std::make_unique<PosixFile>(fd, std::move(path), PosixFile::Kind::temporary);
    if (errno != EEXIST) return system_error("make a file in the folder", directory);
  }
}

Status SystemFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_error("rename the file", from);
  return sync_directory(parent_directory(to));
}

Status SystemFiles::remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || (errno == EISDIR && ::rmdir(path.c_str()) == 0)) return {};
  return system_error("remove the file", path);
}

Status SystemFiles::make_directories(const std::string& path) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const auto part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    return system_error("make the folder", part);
  }
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return system_error("examine the folder", path);
  if (!S_ISDIR(info.st_mode)) return fail(Errc::exists, "expected a folder, but a file of that name is there", path);
  return {};
}

Result<FileInfo> SystemFiles::info(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return system_error("examine the file", path);
  return FileInfo{static_cast<std::uint64_t>(info.st_size),
                  info.st_mode & 07777u,
                  S_ISDIR(info.st_mode),
                  Instant(std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec)),
                  info.st_uid,
                  !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode) && !S_ISLNK(info.st_mode)};
}

Result<std::vector<std::string>> SystemFiles::list(const std::string& directory) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return system_error("list the folder", directory);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(stream);
  std::ranges::sort(names);
  return names;
}

Status SystemFiles::sync_directory(const std::string& directory) { return sync_folder(directory); }

Result<std::uint64_t> SystemFiles::free_bytes(const std::string& directory) {
  struct statvfs info{};
  if (::statvfs(directory.c_str(), &info) != 0) return system_error("examine the file system", directory);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

Result<Bytes> read_file(Files& files, const std::string& path, std::uint64_t limit) {
  const auto file = TRY(files.open(path, OpenMode::read));
  const auto size = TRY(file->size());
  if (size > limit)
    return fail(Errc::invalid, fmt::format("the file has {} bytes; at most {} are accepted here", size, limit), path);
  Bytes content(size);
  content.resize(TRY(file->read_at(0, content)));
  return content;
}

Status write_file_atomically(Files& files, const std::string& path, ByteView content, OpenMode mode, IfThere if_there) {
  const auto file = TRY(files.open_unnamed(parent_directory(path), mode));
  CHECK(file->append(content));
  CHECK(file->sync());
  return file->publish(path, if_there);
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && !path.ends_with('/')) path += '/';
  return path += name;
}

std::string parent_directory(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

}  // namespace hauberk
