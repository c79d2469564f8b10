// DecompressingReader: random access to the content of a compressed stream, decoded as it is asked for and kept in a
// window; going back beyond the window decodes anew. Every decoded byte is spent from the budget, and a ratio that no
// honest data has ends it: a bomb costs what the budget allows and no more. Memory: about 24 MiB.
// Errors: Errc::corrupt for what is no such stream or is cut off, Errc::exhausted for the budget.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "scan/budget.h"
#include "scan/reader.h"

namespace hauberk::scan {

enum class Compression { deflate, zlib, gzip, bzip2, xz, lzma, zstd, lz4 };  // deflate: without any header, as in ZIP

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual Result<std::size_t> decode(MutableBytes out) = 0;  // 0 at the end of the stream
  virtual std::uint64_t consumed() const = 0;                // compressed bytes used
};

// Reads on as the decoder asks for more. The reader must outlive the decoder.
std::unique_ptr<Decoder> make_decoder(Reader& compressed, Compression kind);

class DecompressingReader final : public Reader {
 public:
  using Maker = std::function<Result<std::unique_ptr<Decoder>>()>;  // a decoder that stands at the stream's start

  // Without a declared size, the stream is decoded once to its end to learn it; if it breaks off, that is its end.
  static Result<std::unique_ptr<DecompressingReader>> open(Reader& compressed, Compression kind,
                                                           std::optional<std::uint64_t> declared_size, Budget& budget);
  static Result<std::unique_ptr<DecompressingReader>> open(Maker make, std::optional<std::uint64_t> declared_size,
                                                           Budget& budget);
  std::uint64_t size() const override { return size_; }
  bool jumps() const override { return false; }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override;
  bool damaged() const { return damaged_; }
  std::uint64_t consumed() const;  // the furthest that any pass came

 private:
  DecompressingReader(Maker make, Budget& budget) : make_(std::move(make)), budget_(budget) {}
  Status restart();
  Result<std::size_t> decode_more();

  Maker make_;
  Budget& budget_;
  std::unique_ptr<Decoder> decoder_;
  Bytes window_;
  std::uint64_t window_start_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t furthest_ = 0;  // of the passes before
  bool damaged_ = false;
};

}  // namespace hauberk::scan
