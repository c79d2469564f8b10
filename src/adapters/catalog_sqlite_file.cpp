#include "adapters/catalog_sqlite_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/file.h"

namespace hauberk::adapters {
namespace {

// SQLite reads what lacks of the last page as zeros. Beside a log, a part of a page may be a checkpoint that was cut
// off, which the log repeats.
bool ends_within_a_page(const std::string& path, off_t size) {
  std::uint8_t header[18] = {};  // file format, section 1.3: the page size, big-endian, 1 meaning 65536
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const auto count = fd < 0 ? -1 : ::pread(fd, header, sizeof(header), 0);
  if (fd >= 0) ::close(fd);
  if (count != sizeof(header)) return false;  // opening it properly will say why
  const auto stored = load_be<std::uint16_t>(header + 16);
  const off_t page = stored == 1 ? 65536 : stored;
  struct stat log{};
  const bool has_log = ::stat((path + "-wal").c_str(), &log) == 0 && log.st_size > 0;
  return page != 0 && size % page != 0 && !has_log;
}

}  // namespace

// SQLite would make a missing file and take an empty one for a new database; both mean lost data here.
Status check_presence(const std::string& path, CatalogMode mode) {
  struct stat info{};
  const bool there = ::stat(path.c_str(), &info) == 0;
  if (!there && errno != ENOENT)
    return fail(Errc::unavailable, fmt::format("the catalogue cannot be reached: {}", ::strerror(errno)), path);
  if (mode == CatalogMode::create) return {};
  if (!there)
    return fail(Errc::not_found,
                "there is no catalogue; `hauberk init` makes a new data directory, or restore the last backup", path);
  if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, "the catalogue is not a regular file", path);
  if (info.st_size == 0)
    return fail(Errc::corrupt, "the catalogue is empty: it was cut off; restore the last backup of it", path);
  if (ends_within_a_page(path, info.st_size))
    return fail(Errc::corrupt,
                "the catalogue is cut off; stop hauberk, keep the file for analysis and restore the last backup of it",
                path);
  return {};
}

// Made by us and not by SQLite, so that nobody else can ever read it; -wal and -shm inherit the mode.
Status make_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    const auto code = errno == ENOSPC ? Errc::exhausted : Errc::unavailable;
    return fail(code, fmt::format("the catalogue cannot be made: {}", ::strerror(errno)), path);
  }
  ::close(fd);
  const int folder = ::open(parent_directory(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path)
    if (std::string_view("?#%").contains(c))
      uri += fmt::format("%{:02x}", c);
    else
      uri += c;
  return uri + "?immutable=1";
}

Result<bool> only_readable(const std::string& path) {
  if (::faccessat(AT_FDCWD, parent_directory(path).c_str(), W_OK, AT_EACCESS) == 0) return false;
  if (errno != EROFS && errno != EACCES) return false;  // what comes says what is wrong
  struct stat log{};
  if (::stat((path + "-wal").c_str(), &log) == 0 && log.st_size != 0)
    return fail(Errc::unavailable,
                "the folder can only be read, and the catalogue has changes that are not in its main file yet: copy it "
                "when no hauberk runs, or open it where it can be written",
                path);
  return true;
}

}  // namespace hauberk::adapters
