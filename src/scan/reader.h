// Reader: random access to bytes of known length, the only way in which the scanner sees data. A file is read through
// pread in windows and never mapped: a mapping of a file that shrinks kills the process, and its pages count as memory.
// Cursor walks a Reader forward through one window, in memory that does not depend on the size of the data.
// Readers are used by one thread at a time. Errors: what the system said, as Errc::unavailable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/digest.h"

namespace hauberk::scan {

class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::uint64_t size() const = 0;
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) = 0;  // short only at the end
  // Whether any place costs the same; in what is decompressed on the way, one far behind costs all before it.
  virtual bool jumps() const { return true; }
};

class FileReader final : public Reader {
 public:
  static Result<std::unique_ptr<FileReader>> open(const std::string& path);
  // Borrows the descriptor of a regular file; it stays open. This is how an isolated child reads.
  static Result<std::unique_ptr<FileReader>> from_descriptor(int descriptor);
  ~FileReader() override;
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override;

 private:
  FileReader(int descriptor, bool owned, std::uint64_t size) : descriptor_(descriptor), owned_(owned), size_(size) {}
  int descriptor_;
  bool owned_;
  std::uint64_t size_;
};

// Views memory that somebody else keeps.
class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(ByteView bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override;

 private:
  ByteView bytes_;
};

// A part of another reader; what lies past the other's end does not exist.
class RangeReader final : public Reader {
 public:
  RangeReader(Reader& whole, std::uint64_t start, std::uint64_t length);
  std::uint64_t size() const override { return length_; }
  bool jumps() const override { return whole_.jumps(); }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override;

 private:
  Reader& whole_;
  std::uint64_t start_;
  std::uint64_t length_;
};

// All of a part, refused with Errc::exhausted above `limit`, with Errc::corrupt where it passes the end.
Result<Bytes> read_part(Reader& reader, std::uint64_t offset, std::uint64_t length, std::uint64_t limit);

// SHA-256 of all of it, in 1 MiB of memory.
Result<Digest> digest_of(Reader& reader);

class Cursor {
 public:
  explicit Cursor(Reader& reader, std::uint64_t start = 0, std::size_t window = 64u << 10);

  std::uint64_t position() const { return base_ + static_cast<std::uint64_t>(at_ - window_.data()); }
  std::uint64_t remaining() const { return reader_.size() - position(); }
  // Makes `count` bytes (at most one window) readable at data(). False at the end or after a read error.
  bool need(std::size_t count) { return static_cast<std::size_t>(end_ - at_) >= count || refill(count); }
  const std::uint8_t* data() const { return at_; }
  std::size_t buffered() const { return static_cast<std::size_t>(end_ - at_); }
  // Consumes bytes that need() has made readable.
  void advance(std::size_t count) { at_ += count; }
  // Moves forward without reading. False if that passes the end.
  bool skip(std::uint64_t count);
  // Bytes that still lie in the window, before or after the position; empty if they do not.
  ByteView loaded(std::uint64_t offset, std::size_t count) const;
  bool failed() const { return failed_; }  // the reader answered with an error, which is not the same as the end

 private:
  bool refill(std::size_t count);
  Reader& reader_;
  Bytes window_;
  std::uint64_t base_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool failed_ = false;
};

}  // namespace hauberk::scan
