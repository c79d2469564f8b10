#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/file.h>

#include <thread>

namespace hauberk {

Result<Descriptor> lock_file(const std::string& path, LockMode mode, Duration patience, std::string_view busy) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) {
    const auto code = errno == ENOENT                      ? Errc::not_found
                      : errno == ENOSPC || errno == EDQUOT ? Errc::exhausted
                                                           : Errc::unavailable;
    return fail(code, fmt::format("cannot open it for writing: {}", ::strerror(errno)), path);
  }
  constexpr auto pause = std::chrono::milliseconds(5);
  const int operation = (mode == LockMode::exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
  for (Duration waited{}; ::flock(file.get(), operation) != 0; waited += pause) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return fail(Errc::unavailable, fmt::format("cannot lock it: {}", ::strerror(errno)), path);
    if (waited >= patience) return fail(Errc::unavailable, std::string(busy), path);
    std::this_thread::sleep_for(pause);
  }
  return file;
}

}  // namespace hauberk
