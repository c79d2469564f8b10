#include "scan/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/page_bytes.h"

namespace hauberk::scan {
namespace {

std::string system_reason() { return std::strerror(errno); }

}  // namespace

Result<std::unique_ptr<FileReader>> FileReader::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe or a device must not wait for the other side.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0)
    return fail(errno == ENOENT ? Errc::not_found : Errc::unavailable, "cannot open: " + system_reason(), path);
  struct stat info{};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return fail(Errc::invalid, "not a regular file", path);
  }
  return std::unique_ptr<FileReader>(new FileReader(descriptor, true, static_cast<std::uint64_t>(info.st_size)));
}

Result<std::unique_ptr<FileReader>> FileReader::from_descriptor(int descriptor) {
  struct stat info{};
  if (::fstat(descriptor, &info) != 0) return fail(Errc::unavailable, "cannot read the descriptor: " + system_reason());
  if (!S_ISREG(info.st_mode)) return fail(Errc::invalid, "the descriptor is not of a regular file");
  return std::unique_ptr<FileReader>(new FileReader(descriptor, false, static_cast<std::uint64_t>(info.st_size)));
}

FileReader::~FileReader() {
  if (owned_) ::close(descriptor_);
}

Result<std::size_t> FileReader::read_at(std::uint64_t offset, MutableBytes out) {
  if (offset >= size_) return std::size_t{0};
  out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset)));
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(Errc::unavailable, "cannot read: " + system_reason());
    if (n == 0) return fail(Errc::unavailable, "the file became shorter while it was read: scan it again");
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<std::size_t> MemoryReader::read_at(std::uint64_t offset, MutableBytes out) {
  if (offset >= bytes_.size()) return std::size_t{0};
  const auto count = std::min<std::size_t>(out.size(), bytes_.size() - static_cast<std::size_t>(offset));
  if (count != 0) std::memcpy(out.data(), bytes_.data() + offset, count);
  return count;
}

RangeReader::RangeReader(Reader& whole, std::uint64_t start, std::uint64_t length)
    : whole_(whole), start_(std::min(start, whole.size())), length_(std::min(length, whole.size() - start_)) {}

Result<std::size_t> RangeReader::read_at(std::uint64_t offset, MutableBytes out) {
  if (offset >= length_) return std::size_t{0};
  return whole_.read_at(start_ + offset,
                        out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), length_ - offset))));
}

Result<Bytes> read_part(Reader& reader, std::uint64_t offset, std::uint64_t length, std::uint64_t limit) {
  if (offset > reader.size() || length > reader.size() - offset)
    return fail(Errc::corrupt, "passes the end of the data");
  if (length > limit) return fail(Errc::exhausted, "too large to be read at once");
  Bytes out(static_cast<std::size_t>(length));
  if (TRY(reader.read_at(offset, out)) != out.size()) return fail(Errc::corrupt, "passes the end of the data");
  return out;
}

Result<Digest> digest_of(Reader& reader) {
  crypto::Sha256 sha;
  PageBytes chunk(1u << 20);
  for (std::uint64_t at = 0; at < reader.size();) {
    const auto got = TRY(reader.read_at(at, chunk));
    if (got == 0) return fail(Errc::unavailable, "the data ends before its size");
    sha.update(ByteView(chunk).first(got));
    at += got;
  }
  return sha.finish();
}

Cursor::Cursor(Reader& reader, std::uint64_t start, std::size_t window)
    : reader_(reader),
      window_(window),
      base_(std::min(start, reader.size())),
      at_(window_.data()),
      end_(window_.data()) {}

bool Cursor::refill(std::size_t count) {
  if (count > window_.size() || failed_) return false;
  const auto kept = buffered();
  base_ = position();
  std::memmove(window_.data(), at_, kept);
  at_ = window_.data();
  end_ = at_ + kept;
  const auto got = reader_.read_at(base_ + kept, MutableBytes(window_).subspan(kept));
  if (!got) {
    failed_ = true;
    return false;
  }
  end_ += *got;
  return buffered() >= count;
}

ByteView Cursor::loaded(std::uint64_t offset, std::size_t count) const {
  const auto in_window = static_cast<std::uint64_t>(end_ - window_.data());
  if (offset < base_ || offset - base_ > in_window || count > in_window - (offset - base_)) return {};
  return {window_.data() + (offset - base_), count};
}

bool Cursor::skip(std::uint64_t count) {
  if (count <= buffered()) {
    at_ += count;
    return true;
  }
  if (count > remaining()) return false;
  base_ = position() + count;
  at_ = end_ = window_.data();
  return true;
}

}  // namespace hauberk::scan
