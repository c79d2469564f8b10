#include "registry/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/artifact.h"

namespace hauberk::registry {
namespace {

constexpr int most_folders_deep = 32;

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::unexpected<Error> cannot(std::string_view what, const std::string& where) {
  const int reason = errno;
  if (reason == ENOENT) return fail(Errc::not_found, "there is no such file or folder; check the path", where);
  if (reason == ELOOP || reason == ENOTDIR)
    return fail(Errc::invalid, "it is a symbolic link, or became one; import what it points at instead", where);
  if (reason == EACCES || reason == EPERM)
    return fail(Errc::denied, "this user may not read it; check the permissions", where);
  return fail(Errc::unavailable, fmt::format("cannot {} it: {}", what, ::strerror(reason)), where);
}

// O_NONBLOCK: opening a pipe must not wait for its writer.
Descriptor open_below(int folder, const char* name, int flags) {
  return Descriptor(::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | flags));
}

class FileReader final : public SourceReader {
 public:
  FileReader(Descriptor file, std::string where) : file_(std::move(file)), where_(std::move(where)) {}
  Result<std::size_t> read(MutableBytes out) override {
    for (;;) {
      const auto count = ::read(file_.get(), out.data(), out.size());
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) return cannot("read", where_);
    }
  }

 private:
  Descriptor file_;
  std::string where_;
};

class SystemSource final : public Source {
 public:
  SystemSource(std::string origin, std::size_t max_files) : origin_(std::move(origin)), max_files_(max_files) {}

  // A single file is an artifact of one file under its own name.
  Status take_file(Descriptor file, const struct stat& info) {
    CHECK(check_path(origin_));
    single_ = std::move(file);
    items_.push_back({origin_, static_cast<std::uint64_t>(info.st_size)});
    return {};
  }
  Status take_folder(Descriptor folder) {
    CHECK(walk(folder.get(), "", 0));
    if (items_.empty()) return fail(Errc::invalid, "the folder holds no files", origin_);
    std::ranges::sort(items_, {}, &Item::path);
    root_ = std::move(folder);
    return {};
  }

  std::string origin() const override { return origin_; }
  const std::vector<Item>& items() const override { return items_; }

  // Each folder on the way is opened by itself, without following links: what is read lies below the folder given.
  Result<std::unique_ptr<SourceReader>> open(const Item& item) override {
    Descriptor file;
    if (single_) {
      if (::lseek(single_.get(), 0, SEEK_SET) != 0) return cannot("read", item.path);
      file = Descriptor(::fcntl(single_.get(), F_DUPFD_CLOEXEC, 0));
    } else {
      Descriptor folder;
      std::size_t begin = 0;
      for (auto slash = item.path.find('/'); slash != std::string::npos;
           begin = slash + 1, slash = item.path.find('/', begin)) {
        folder = open_below(folder ? folder.get() : root_.get(), item.path.substr(begin, slash - begin).c_str(),
                            O_DIRECTORY);
        if (!folder) return cannot("open", item.path);
      }
      file = open_below(folder ? folder.get() : root_.get(), item.path.c_str() + begin, 0);
    }
    if (!file) return cannot("open", item.path);
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return cannot("examine", item.path);
    if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, "it is no regular file any more", item.path);
    return std::make_unique<FileReader>(std::move(file), item.path);
  }

 private:
  static Status check_path(const std::string& path) {
    auto fine = check_relative_path(path);
    return fine ? Status{} : fail(fine.error().code, std::move(fine.error().message) + "; rename it");
  }

  Status walk(int folder, const std::string& prefix, int depth) {
    if (depth > most_folders_deep)
      return fail(Errc::invalid, fmt::format("folders are nested deeper than {}", most_folders_deep), prefix);
    const int copy = ::fcntl(folder, F_DUPFD_CLOEXEC, 0);  // closedir closes what it is given
    DIR* listing = copy < 0 ? nullptr : ::fdopendir(copy);
    if (listing == nullptr) {
      if (copy >= 0) ::close(copy);
      return cannot("list", prefix.empty() ? origin_ : prefix);
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(listing, &::closedir);
    for (;;) {
      errno = 0;
      const auto* entry = ::readdir(listing);
      if (entry == nullptr) return errno == 0 ? Status{} : cannot("list", prefix.empty() ? origin_ : prefix);
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      CHECK(take(folder, entry->d_name, prefix + std::string(name), depth));
    }
  }

  Status take(int folder, const char* name, const std::string& path, int depth) {
    CHECK(check_path(path));
    struct stat info{};
    if (::fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return cannot("examine", path);
    if (S_ISDIR(info.st_mode)) {
      const auto below = open_below(folder, name, O_DIRECTORY);
      if (!below) return cannot("open", path);
      return walk(below.get(), path + "/", depth + 1);
    }
    if (S_ISLNK(info.st_mode))
      return fail(Errc::invalid, "it is a symbolic link; import what it points at instead", path);
    if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, "it is neither a file nor a folder", path);
    if (items_.size() >= max_files_)
      return fail(Errc::exhausted, fmt::format("the folder holds more than {} files", max_files_), origin_);
    items_.push_back({path, static_cast<std::uint64_t>(info.st_size)});
    return {};
  }

  std::string origin_;
  std::size_t max_files_;
  Descriptor single_;
  Descriptor root_;
  std::vector<Item> items_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_source(const std::string& path, std::size_t max_files) {
  auto trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  auto top = open_below(AT_FDCWD, trimmed.c_str(), 0);
  if (!top) return cannot("open", path);
  struct stat info{};
  if (::fstat(top.get(), &info) != 0) return cannot("examine", path);
  auto source = std::make_unique<SystemSource>(trimmed.substr(trimmed.rfind('/') + 1), max_files);
  if (S_ISDIR(info.st_mode)) {
    CHECK(source->take_folder(std::move(top)));
  } else if (S_ISREG(info.st_mode)) {
    CHECK(source->take_file(std::move(top), info));
  } else {
    return fail(Errc::invalid, "it is neither a file nor a folder", path);
  }
  return source;
}

}  // namespace hauberk::registry
