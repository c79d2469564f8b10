#include "scan/coder_chain.h"

#include <lzma.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

namespace hauberk::scan {
namespace {

constexpr std::uint64_t chain_memory = 96u << 20;
constexpr std::uint64_t no_filter = LZMA_VLI_UNKNOWN;

enum class CoderKind { copy, lzma, filter, deflate, bzip2, zstd, unsupported };

struct KnownCoder {
  std::uint64_t method;
  std::string_view name;
  CoderKind kind;
  std::uint64_t filter = no_filter;  // liblzma's number
};

constexpr KnownCoder known_coders[] = {
    {0x00, "Copy", CoderKind::copy},
    {0x030101, "LZMA", CoderKind::lzma, LZMA_FILTER_LZMA1},
    {0x21, "LZMA2", CoderKind::lzma, LZMA_FILTER_LZMA2},
    {0x03, "Delta", CoderKind::filter, LZMA_FILTER_DELTA},
    {0x04, "BCJ x86", CoderKind::filter, LZMA_FILTER_X86},
    {0x05, "BCJ PowerPC", CoderKind::filter, LZMA_FILTER_POWERPC},
    {0x06, "BCJ IA-64", CoderKind::filter, LZMA_FILTER_IA64},
    {0x07, "BCJ ARM", CoderKind::filter, LZMA_FILTER_ARM},
    {0x08, "BCJ ARM Thumb", CoderKind::filter, LZMA_FILTER_ARMTHUMB},
    {0x09, "BCJ SPARC", CoderKind::filter, LZMA_FILTER_SPARC},
    {0x0a, "BCJ ARM64", CoderKind::filter, LZMA_FILTER_ARM64},
    {0x03030103, "BCJ x86", CoderKind::filter, LZMA_FILTER_X86},
    {0x03030205, "BCJ PowerPC", CoderKind::filter, LZMA_FILTER_POWERPC},
    {0x03030401, "BCJ IA-64", CoderKind::filter, LZMA_FILTER_IA64},
    {0x03030501, "BCJ ARM", CoderKind::filter, LZMA_FILTER_ARM},
    {0x03030701, "BCJ ARM Thumb", CoderKind::filter, LZMA_FILTER_ARMTHUMB},
    {0x03030805, "BCJ SPARC", CoderKind::filter, LZMA_FILTER_SPARC},
    {0x040108, "Deflate", CoderKind::deflate},
    {0x040202, "BZip2", CoderKind::bzip2},
    {0x04f71101, "Zstandard", CoderKind::zstd},
    {0x02, "Swap2", CoderKind::unsupported},
    {0x0b, "BCJ RISC-V", CoderKind::unsupported},
    {0x0303011b, "BCJ2", CoderKind::unsupported},
    {0x030401, "PPMd", CoderKind::unsupported},
    {0x040109, "Deflate64", CoderKind::unsupported},
    {0x04f71102, "Brotli", CoderKind::unsupported},
    {0x04f71104, "LZ4", CoderKind::unsupported},
    {0x04f71106, "Lizard", CoderKind::unsupported},
    {coder_aes, "AES-256", CoderKind::unsupported},
};

const KnownCoder* find_coder(std::uint64_t method) {
  const auto* const found =
      std::find_if(std::begin(known_coders), std::end(known_coders), [&](const auto& c) { return c.method == method; });
  return found == std::end(known_coders) ? nullptr : found;
}

// What one decoder gives, as the reader that the next one reads on and on. The end is where it ends or breaks off.
class ForwardReader final : public Reader {
 public:
  ForwardReader(std::unique_ptr<Decoder> decoder, std::uint64_t size) : decoder_(std::move(decoder)), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    if (offset != position_) return fail(Errc::internal, "decoders read forward only");
    out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - position_)));
    std::size_t done = 0;
    while (done < out.size()) {
      const auto got = decoder_->decode(out.subspan(done));
      if (!got) error_ = got.error();
      if (!got || *got == 0) break;
      done += *got;
    }
    position_ += done;
    return done;
  }
  const Decoder& decoder() const { return *decoder_; }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::unique_ptr<Decoder> decoder_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  std::optional<Error> error_;
};

class CopyDecoder final : public Decoder {
 public:
  explicit CopyDecoder(Reader& in) : in_(in) {}
  Result<std::size_t> decode(MutableBytes out) override {
    if (out.empty() || !in_.need(1)) return std::size_t{0};
    const auto count = std::min(out.size(), in_.buffered());
    std::memcpy(out.data(), in_.data(), count);
    in_.advance(count);
    return count;
  }
  std::uint64_t consumed() const override { return in_.position(); }

 private:
  Cursor in_;
};

// LZMA and LZMA2 without any header, and the filters that change bytes one by one. liblzma runs a filter only behind
// LZMA2, so that what a filter shall change is presented as chunks of LZMA2 that are not compressed.
class RawLzmaDecoder final : public Decoder {
 public:
  RawLzmaDecoder(Reader& in, bool wrap) : in_(in), wrap_(wrap) {}
  ~RawLzmaDecoder() override { lzma_end(&stream_); }
  Status start(const lzma_filter* filters) {
    if (lzma_raw_decoder(&stream_, filters) != LZMA_OK) return fail(Errc::internal, "liblzma does not start");
    return {};
  }
  Result<std::size_t> decode(MutableBytes out) override {
    stream_.next_out = out.data();
    stream_.avail_out = out.size();
    while (stream_.avail_out != 0 && !ended_) {
      const auto given = wrap_ ? next_of_chunk() : next_plain();
      stream_.next_in = given.data();
      stream_.avail_in = given.size();
      const auto status = lzma_code(&stream_, given.empty() ? LZMA_FINISH : LZMA_RUN);
      take(given.size() - stream_.avail_in);
      if (status == LZMA_STREAM_END)
        ended_ = true;
      else if (status != LZMA_OK)
        break;
    }
    const auto done = out.size() - stream_.avail_out;
    if (done == 0 && !ended_ && !out.empty()) return fail(Errc::corrupt, "the compressed data is damaged or cut off");
    return done;
  }
  std::uint64_t consumed() const override { return in_.position(); }

 private:
  ByteView next_plain() {
    in_.need(1);
    return {in_.data(), in_.buffered()};
  }
  // The head of a chunk, or a part of its content; a zero byte where all of the input went.
  ByteView next_of_chunk() {
    if (head_at_ == head_size_ && chunk_left_ == 0) {
      in_.need(1);
      chunk_left_ = std::min<std::size_t>(in_.buffered(), 1u << 16);
      head_at_ = 0;
      head_size_ = chunk_left_ == 0 ? 1 : 3;
      head_ = {};
      if (chunk_left_ != 0) {
        head_[0] = first_ ? 1 : 2;  // 1 also empties the dictionary, as the first chunk must
        store_be(head_.data() + 1, static_cast<std::uint16_t>(chunk_left_ - 1));
      }
      first_ = false;
    }
    if (head_at_ < head_size_) return ByteView(head_).subspan(head_at_, head_size_ - head_at_);
    return {in_.data(), chunk_left_};
  }
  void take(std::size_t count) {
    if (wrap_ && head_at_ < head_size_) {
      head_at_ += count;
    } else {
      in_.advance(count);
      chunk_left_ -= wrap_ ? count : 0;
    }
  }

  Cursor in_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool wrap_;
  bool ended_ = false;
  bool first_ = true;
  std::array<std::uint8_t, 3> head_{};
  std::size_t head_at_ = 0, head_size_ = 0;
  std::size_t chunk_left_ = 0;
};

class ChainDecoder final : public Decoder {
 public:
  // Owns all steps; the first reads the packed bytes.
  std::vector<std::unique_ptr<ForwardReader>> steps;

  Result<std::size_t> decode(MutableBytes out) override {
    auto& last = *steps.back();
    const auto got = TRY(last.read_at(produced_, out));
    produced_ += got;
    if (got == 0)
      for (const auto& step : steps)
        if (step->error()) return std::unexpected(*step->error());
    return got;
  }
  std::uint64_t consumed() const override { return steps.front()->decoder().consumed(); }

 private:
  std::uint64_t produced_ = 0;
};

// What liblzma keeps the options in, from the bytes that 7z keeps them in.
class LzmaOptions {
 public:
  explicit LzmaOptions(std::uint64_t filter) : filter_{.id = filter, .options = nullptr} {}
  ~LzmaOptions() { std::free(filter_.options); }
  LzmaOptions(const LzmaOptions&) = delete;
  LzmaOptions& operator=(const LzmaOptions&) = delete;

  Status read(ByteView properties, std::uint64_t size) {
    if (lzma_properties_decode(&filter_, nullptr, properties.data(), properties.size()) != LZMA_OK)
      return fail(Errc::corrupt, "the properties of a compression method are none");
    // Nothing refers to what lies further back than the data's beginning.
    if (filter_.id == LZMA_FILTER_LZMA1 || filter_.id == LZMA_FILTER_LZMA2) {
      auto& options = *static_cast<lzma_options_lzma*>(filter_.options);
      options.dict_size = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(options.dict_size, std::max<std::uint64_t>(size, LZMA_DICT_SIZE_MIN)));
    }
    return {};
  }
  const lzma_filter& filter() const { return filter_; }

 private:
  lzma_filter filter_;
};

Result<std::unique_ptr<Decoder>> make_raw_lzma(Reader& in, const KnownCoder& coder, const CoderStep& step,
                                               std::uint64_t& memory) {
  LzmaOptions options(coder.filter);
  CHECK(options.read(step.properties, step.size));
  lzma_options_lzma unpacked{};
  unpacked.dict_size = LZMA_DICT_SIZE_MIN;
  const bool filter = coder.kind == CoderKind::filter;
  const lzma_filter end{.id = no_filter, .options = nullptr};
  const lzma_filter filters[] = {options.filter(),
                                 filter ? lzma_filter{.id = LZMA_FILTER_LZMA2, .options = &unpacked} : end, end};
  const auto needed = lzma_raw_decoder_memusage(filters);
  if (needed == UINT64_MAX) return fail(Errc::corrupt, "the properties of a compression method are none");
  if (needed > memory) return fail(Errc::exhausted, "decompressing needs more memory than the scan may use");
  memory -= needed;
  auto decoder = std::make_unique<RawLzmaDecoder>(in, filter);
  CHECK(decoder->start(filters));
  return decoder;
}

Result<std::unique_ptr<Decoder>> make_step(Reader& in, const CoderStep& step, std::uint64_t& memory) {
  const auto* const coder = find_coder(step.method);
  switch (coder == nullptr ? CoderKind::unsupported : coder->kind) {
    case CoderKind::copy:
      return std::make_unique<CopyDecoder>(in);
    case CoderKind::lzma:
    case CoderKind::filter:
      return make_raw_lzma(in, *coder, step, memory);
    case CoderKind::deflate:
      return make_decoder(in, Compression::deflate);
    case CoderKind::bzip2:
      return make_decoder(in, Compression::bzip2);
    case CoderKind::zstd:
      return make_decoder(in, Compression::zstd);
    case CoderKind::unsupported:
      break;
  }
  return fail(Errc::unsupported, coder_name(step.method) + " is not understood");
}

}  // namespace

std::string coder_name(std::uint64_t method) {
  if (const auto* const coder = find_coder(method)) return std::string(coder->name);
  std::array<std::uint8_t, 8> bytes{};
  store_be(bytes.data(), method);
  const auto digits = hex(bytes);
  return "method 0x" + digits.substr(std::min(digits.find_first_not_of('0'), digits.size() - 1));
}

bool coder_is_known(std::uint64_t method) {
  const auto* const coder = find_coder(method);
  return coder != nullptr && coder->kind != CoderKind::unsupported;
}

Result<std::unique_ptr<Decoder>> make_chain(Reader& packed, std::span<const CoderStep> steps) {
  auto chain = std::make_unique<ChainDecoder>();
  std::uint64_t memory = chain_memory;
  Reader* in = &packed;
  for (const auto& step : steps) {
    auto decoder = TRY(make_step(*in, step, memory));
    chain->steps.push_back(std::make_unique<ForwardReader>(std::move(decoder), step.size));
    in = chain->steps.back().get();
  }
  return chain;
}

}  // namespace hauberk::scan
