#include "scan/decompress.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstring>

namespace hauberk::scan {
namespace {

constexpr std::size_t step = 128u << 10;
constexpr std::size_t window_kept = 8u << 20;
constexpr std::uint64_t lzma_memory = 96u << 20;
constexpr std::uint64_t ratio_matters_above = 64u << 20;

std::unexpected<Error> broken() { return fail(Errc::corrupt, "the compressed data is damaged or cut off"); }

// All five libraries work alike: give input, take output, until the end of the stream.
class ZlibDecoder final : public Decoder {
 public:
  ZlibDecoder(Reader& in, Compression kind) : in_(in), gzip_(kind == Compression::gzip) {
    const int window = kind == Compression::deflate ? -MAX_WBITS
                       : kind == Compression::gzip  ? MAX_WBITS + 16
                                                    : MAX_WBITS;
    ready_ = inflateInit2(&stream_, window) == Z_OK;
  }
  ~ZlibDecoder() override {
    if (ready_) inflateEnd(&stream_);
  }
  Result<std::size_t> decode(MutableBytes out) override {
    if (!ready_) return fail(Errc::internal, "zlib does not start");
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out != 0 && !ended_) {
      in_.need(1);
      const auto available = std::min<std::size_t>(in_.buffered(), 1u << 30);
      stream_.next_in = const_cast<Bytef*>(in_.data());
      stream_.avail_in = static_cast<uInt>(available);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      in_.advance(available - stream_.avail_in);
      if (status == Z_STREAM_END) {
        // Another member may follow, as in concatenated gzip files.
        ended_ =
            !(gzip_ && in_.need(2) && in_.data()[0] == 0x1f && in_.data()[1] == 0x8b && inflateReset(&stream_) == Z_OK);
      } else if (status != Z_OK) {
        if (stream_.avail_out == out.size()) return broken();
        break;  // what came before the damage first
      }
    }
    return out.size() - stream_.avail_out;
  }
  std::uint64_t consumed() const override { return in_.position(); }

 private:
  Cursor in_;
  z_stream stream_{};
  bool gzip_;
  bool ready_ = false;
  bool ended_ = false;
};

class BzipDecoder final : public Decoder {
 public:
  explicit BzipDecoder(Reader& in) : in_(in) { ready_ = BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK; }
  ~BzipDecoder() override {
    if (ready_) BZ2_bzDecompressEnd(&stream_);
  }
  Result<std::size_t> decode(MutableBytes out) override {
    if (!ready_) return fail(Errc::internal, "bzip2 does not start");
    stream_.next_out = reinterpret_cast<char*>(out.data());
    stream_.avail_out = static_cast<unsigned>(out.size());
    while (stream_.avail_out != 0 && !ended_) {
      if (!in_.need(1)) return broken();
      stream_.next_in = const_cast<char*>(reinterpret_cast<const char*>(in_.data()));
      stream_.avail_in = static_cast<unsigned>(in_.buffered());
      const int status = BZ2_bzDecompress(&stream_);
      in_.advance(in_.buffered() - stream_.avail_in);
      if (status == BZ_STREAM_END) {
        ended_ = true;
        if (in_.need(3) && std::memcmp(in_.data(), "BZh", 3) == 0) {  // another stream follows
          BZ2_bzDecompressEnd(&stream_);
          char* const next_out = stream_.next_out;
          const unsigned avail_out = stream_.avail_out;
          stream_ = {};
          ready_ = BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
          if (!ready_) return fail(Errc::internal, "bzip2 does not start");
          stream_.next_out = next_out;
          stream_.avail_out = avail_out;
          ended_ = false;
        }
      } else if (status != BZ_OK) {
        return broken();
      }
    }
    return out.size() - stream_.avail_out;
  }
  std::uint64_t consumed() const override { return in_.position(); }

 private:
  Cursor in_;
  bz_stream stream_{};
  bool ready_ = false;
  bool ended_ = false;
};

class LzmaDecoder final : public Decoder {
 public:
  LzmaDecoder(Reader& in, Compression kind) : in_(in) {
    const auto status = kind == Compression::xz ? lzma_stream_decoder(&stream_, lzma_memory, LZMA_CONCATENATED)
                                                : lzma_alone_decoder(&stream_, lzma_memory);
    ready_ = status == LZMA_OK;
  }
  ~LzmaDecoder() override { lzma_end(&stream_); }
  Result<std::size_t> decode(MutableBytes out) override {
    if (!ready_) return fail(Errc::internal, "liblzma does not start");
    stream_.next_out = out.data();
    stream_.avail_out = out.size();
    while (stream_.avail_out != 0 && !ended_) {
      const bool last = !in_.need(1);
      const auto available = in_.buffered();
      stream_.next_in = in_.data();
      stream_.avail_in = available;
      const auto status = lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
      in_.advance(available - stream_.avail_in);
      if (status == LZMA_STREAM_END)
        ended_ = true;
      else if (status == LZMA_MEMLIMIT_ERROR)
        return fail(Errc::exhausted, "decompressing needs more memory than the scan may use");
      else if (status != LZMA_OK)
        return broken();
    }
    return out.size() - stream_.avail_out;
  }
  std::uint64_t consumed() const override { return in_.position(); }

 private:
  Cursor in_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ready_ = false;
  bool ended_ = false;
};

class ZstdDecoder final : public Decoder {
 public:
  explicit ZstdDecoder(Reader& in) : in_(in), stream_(ZSTD_createDStream(), &ZSTD_freeDStream) {
    // A window of 64 MiB: more than any level but --ultra writes, and what the scan may use.
    if (stream_) ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, 26);
  }
  Result<std::size_t> decode(MutableBytes out) override {
    if (!stream_) return fail(Errc::internal, "zstd does not start");
    ZSTD_outBuffer taken{out.data(), out.size(), 0};
    while (taken.pos != taken.size && !ended_) {
      // Between frames, what is no frame is somebody else's.
      const bool more = in_.need(1);
      if (between_ && !(in_.need(4) && begins_frame(in_.data()))) {
        ended_ = true;
        break;
      }
      if (!more) return taken.pos != 0 ? Result<std::size_t>(taken.pos) : broken();
      ZSTD_inBuffer given{in_.data(), in_.buffered(), 0};
      const auto before = taken.pos;
      const auto status = ZSTD_decompressStream(stream_.get(), &taken, &given);
      in_.advance(given.pos);
      if (ZSTD_isError(status)) {
        if (ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge)
          return fail(Errc::exhausted, "decompressing needs more memory than the scan may use");
        return taken.pos != 0 && taken.pos != before ? Result<std::size_t>(taken.pos) : broken();
      }
      between_ = status == 0;
    }
    return taken.pos;
  }
  std::uint64_t consumed() const override { return in_.position(); }

 private:
  static bool begins_frame(const std::uint8_t* at) {
    const auto magic = load_le<std::uint32_t>(at);
    return magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
  }
  Cursor in_;
  std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
  bool between_ = false;
  bool ended_ = false;
};

class Lz4Decoder final : public Decoder {
 public:
  explicit Lz4Decoder(Reader& in) : in_(in) {
    ready_ = !LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION));
  }
  ~Lz4Decoder() override {
    if (ready_) LZ4F_freeDecompressionContext(context_);
  }
  Result<std::size_t> decode(MutableBytes out) override {
    if (!ready_) return fail(Errc::internal, "lz4 does not start");
    std::size_t done = 0;
    while (done != out.size() && !ended_) {
      const bool more = in_.need(1);
      if (between_ && !(in_.need(4) && load_le<std::uint32_t>(in_.data()) == 0x184d2204)) {
        ended_ = true;
        break;
      }
      if (!more) return done != 0 ? Result<std::size_t>(done) : broken();
      std::size_t taken = in_.buffered(), given = out.size() - done;
      const auto status = LZ4F_decompress(context_, out.data() + done, &given, in_.data(), &taken, nullptr);
      if (LZ4F_isError(status)) return done != 0 ? Result<std::size_t>(done) : broken();
      in_.advance(taken);
      done += given;
      between_ = status == 0;
      if (taken == 0 && given == 0 && !between_) {
        // It wants more than lies in the window, which only the end of the data explains.
        if (!in_.need(in_.buffered() + 1)) return done != 0 ? Result<std::size_t>(done) : broken();
      }
    }
    return done;
  }
  std::uint64_t consumed() const override { return in_.position(); }

 private:
  Cursor in_;
  LZ4F_dctx* context_ = nullptr;
  bool ready_ = false;
  bool between_ = false;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(Reader& in, Compression kind) {
  switch (kind) {
    case Compression::bzip2:
      return std::make_unique<BzipDecoder>(in);
    case Compression::xz:
    case Compression::lzma:
      return std::make_unique<LzmaDecoder>(in, kind);
    case Compression::zstd:
      return std::make_unique<ZstdDecoder>(in);
    case Compression::lz4:
      return std::make_unique<Lz4Decoder>(in);
    case Compression::deflate:
    case Compression::zlib:
    case Compression::gzip:
      break;
  }
  return std::make_unique<ZlibDecoder>(in, kind);
}

Result<std::unique_ptr<DecompressingReader>> DecompressingReader::open(Reader& compressed, Compression kind,
                                                                       std::optional<std::uint64_t> declared_size,
                                                                       Budget& budget) {
  return open([&compressed, kind] { return make_decoder(compressed, kind); }, declared_size, budget);
}

Result<std::unique_ptr<DecompressingReader>> DecompressingReader::open(Maker make,
                                                                       std::optional<std::uint64_t> declared_size,
                                                                       Budget& budget) {
  std::unique_ptr<DecompressingReader> reader(new DecompressingReader(std::move(make), budget));
  CHECK(reader->restart());
  if (declared_size) {
    reader->size_ = *declared_size;
    return reader;
  }
  while (true) {
    const auto got = reader->decode_more();
    reader->damaged_ = !got && got.error().code == Errc::corrupt;
    if (!got && (!reader->damaged_ || reader->window_.empty())) return std::unexpected(got.error());
    if (!got || *got == 0) break;
  }
  reader->size_ = reader->window_start_ + reader->window_.size();
  return reader;
}

std::uint64_t DecompressingReader::consumed() const { return std::max(furthest_, decoder_->consumed()); }

Status DecompressingReader::restart() {
  if (decoder_) furthest_ = consumed();
  decoder_ = TRY(make_());
  window_.clear();
  window_start_ = 0;
  return {};
}

Result<std::size_t> DecompressingReader::decode_more() {
  if (window_.size() >= 2 * window_kept) {
    window_.erase(window_.begin(), window_.begin() + window_kept);
    window_start_ += window_kept;
  }
  const std::size_t before = window_.size();
  window_.resize(before + step);
  const auto got = decoder_->decode(MutableBytes(window_).subspan(before));
  window_.resize(before + (got ? *got : 0));
  if (!got) return got;
  const std::uint64_t produced = window_start_ + window_.size();
  if (!budget_.spend_bytes_out(*got)) return fail(Errc::exhausted, "the limit of decompressed bytes is used up");
  if (produced > ratio_matters_above && produced / budget_.limits().ratio > decoder_->consumed()) {
    budget_.exhaust("decompression ratio");
    return fail(Errc::exhausted, "the data expands like a decompression bomb");
  }
  return *got;
}

Result<std::size_t> DecompressingReader::read_at(std::uint64_t offset, MutableBytes out) {
  if (offset >= size_) return std::size_t{0};
  out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset)));
  if (offset < window_start_) CHECK(restart());
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint64_t at = offset + done, end = window_start_ + window_.size();
    if (at < end) {
      const auto count = std::min<std::size_t>(out.size() - done, static_cast<std::size_t>(end - at));
      std::memcpy(out.data() + done, window_.data() + (at - window_start_), count);
      done += count;
    } else if (TRY(decode_more()) == 0) {
      return fail(Errc::corrupt, "the compressed data ends before its declared size");
    }
  }
  return done;
}

}  // namespace hauberk::scan
