#include "scan/identify.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "scan/ascii.h"
#include "scan/decompress.h"
#include "scan/formats.h"
#include "scan/passive_files.h"
#include "scan/pickle.h"
#include "scan/proto_models.h"
#include "scan/sentencepiece.h"
#include "scan/small_models.h"
#include "scan/tensorflow.h"
#include "scan/torch7.h"

namespace hauberk::scan {
namespace {

struct Magic {
  std::string_view bytes;
  Format format;
};

using namespace std::string_view_literals;
constexpr Magic magics[] = {
    {"PK\x03\x04"sv, Format::zip},
    {"PK\x05\x06"sv, Format::zip},
    {"\x1f\x8b"sv, Format::gzip},
    {"\xfd"
     "7zXZ\0"sv,
     Format::xz},
    {"\x28\xb5\x2f\xfd"sv, Format::zstd},
    {"\x04\x22\x4d\x18"sv, Format::lz4},
    {"ZF0x"sv, Format::joblib_old},
    {"7z\xbc\xaf\x27\x1c"sv, Format::seven_zip},
    {"Rar!\x1a\x07"sv, Format::rar},
    {"\x93NUMPY"sv, Format::npy},
    {"GGUF"sv, Format::gguf},
    {"lmgg"sv, Format::ggml},
    {"fmgg"sv, Format::ggml},
    {"tjgg"sv, Format::ggml},
    {"algg"sv, Format::ggml},
    {"ptrt"sv, Format::tensorrt},
    {"CBM1"sv, Format::catboost},
    {"MZqFpD='"sv, Format::llamafile},
    {"\x7f"
     "ELF"sv,
     Format::elf},
    {"\xfe\xed\xfa\xce"sv, Format::mach_o},
    {"\xfe\xed\xfa\xcf"sv, Format::mach_o},
    {"\xce\xfa\xed\xfe"sv, Format::mach_o},
    {"\xcf\xfa\xed\xfe"sv, Format::mach_o},
    {"#!"sv, Format::script},
};

constexpr std::string_view hdf5_magic = "\x89HDF\r\n\x1a\n"sv;
constexpr std::uint64_t hdf5_searched = 1ull << 40;

bool has_at(Reader& data, std::uint64_t offset, std::string_view magic) {
  std::array<std::uint8_t, 16> bytes{};
  const auto got = data.read_at(offset, MutableBytes(bytes).first(magic.size()));
  return got && *got == magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// HDF5 may stand behind a block of the user's own, at 512, 1024, 2048, …
std::optional<std::uint64_t> hdf5_place(Reader& data) {
  if (has_at(data, 0, hdf5_magic)) return 0;
  const auto searched = data.jumps() ? hdf5_searched : 1u << 20;
  for (std::uint64_t at = 512; at < data.size() && at <= searched; at *= 2)
    if (has_at(data, at, hdf5_magic)) return at;
  return std::nullopt;
}

bool is_zlib(Reader& data, ByteView head, Budget& budget) {
  if (head.size() < 2 || head[0] != 0x78 || (head[0] * 256 + head[1]) % 31 != 0) return false;
  const auto reader = DecompressingReader::open(data, Compression::zlib, 1, budget);
  std::uint8_t first = 0;
  return reader && (*reader)->read_at(0, {&first, 1}).has_value();
}

// The header of .lzma by itself: usual properties, a dictionary of a size that encoders choose, and a size of the
// content that is unknown or believable.
bool is_lzma(ByteView head) {
  if (head.size() < 14 || head[0] != 0x5d || head[13] != 0) return false;
  const auto dictionary = load_le<std::uint32_t>(head.data() + 1);
  const auto content = load_le<std::uint64_t>(head.data() + 5);
  const bool usual = std::has_single_bit(dictionary) || (dictionary % 3 == 0 && std::has_single_bit(dictionary / 3)) ||
                     dictionary == UINT32_MAX;
  return usual && dictionary >= 4096 && (content == UINT64_MAX || content < (1ull << 40));
}

// The number of Python's version, \r\n, and flags of which few are defined (PEP 552).
bool is_byte_code(ByteView head) {
  return head.size() > 16 && head[1] >= 0x0b && head[1] <= 0x0f && head[2] == '\r' && head[3] == '\n' && head[4] <= 3 &&
         head[5] == 0 && head[6] == 0 && head[7] == 0;
}

bool is_windows_program(Reader& data, ByteView head) {
  if (head.size() < 64 || head[0] != 'M' || head[1] != 'Z') return false;
  // As all linkers write the header for MS-DOS, whatever has become of the rest.
  if (head[2] == 0x90 && head[3] == 0) return true;
  return has_at(data, load_le<std::uint32_t>(head.data() + 60), "PE\0\0"sv);
}

// Weights are zero or neither tiny nor huge: the exponents of other data are spread over all that there are.
bool is_weight(std::uint32_t bits) {
  const auto exponent = bits >> 23 & 0xff;
  return bits << 1 == 0 || (exponent >= 127 - 40 && exponent <= 127 + 20);
}

// Weights without a header, in one of the two formats with an exponent of eight bits. All of the beginning must be
// such numbers, since that is what a loader of anything else would look at, and nearly all of what lies behind.
bool is_raw_numbers(Reader& data) {
  constexpr std::size_t beginning = 256, window = 64, windows = 64;
  if (data.size() < 16) return false;
  for (const std::size_t width : {std::size_t{4}, std::size_t{2}}) {
    if (data.size() % width != 0) continue;
    std::size_t seen = 0, odd = 0, odd_at_once = 0;
    for (std::size_t i = 0; i <= windows && odd_at_once == 0; ++i) {
      std::array<std::uint8_t, beginning> bytes{};
      const auto at = i == 0 ? 0 : (data.size() - 1) / windows * (i - 1) / 4 * 4;
      const auto got = data.read_at(at, MutableBytes(bytes).first(i == 0 ? beginning : window));
      if (!got) return false;
      for (std::size_t k = 0; k + width <= *got; k += width, ++seen)
        odd += !is_weight(width == 4 ? load_le<std::uint32_t>(bytes.data() + k)
                                     : std::uint32_t{load_le<std::uint16_t>(bytes.data() + k)} << 16);
      if (i == 0) odd_at_once = odd;
    }
    if (odd_at_once == 0 && odd * 100 <= seen) return true;
  }
  return false;
}

Format text_kind(ByteView head) {
  const std::string_view text = as_text(head);
  if (text.starts_with("\xff\xfe<\0"sv) || text.starts_with("\xfe\xff\0<"sv)) return Format::xml;
  if (text.starts_with("\xef\xbb\xbf")) head = head.subspan(3);
  const auto first = std::find_if(head.begin(), head.end(),
                                  [](std::uint8_t b) { return b != ' ' && b != '\t' && b != '\r' && b != '\n'; });
  const bool printable = std::all_of(head.begin(), head.end(),
                                     [](std::uint8_t b) { return b >= 0x20 || (b >= 9 && b <= 13) || b == 0x1b; });
  if (!printable) return Format::unknown;
  if (first == head.end()) return Format::text;
  // A template begins with braces as well, and is no JSON.
  const auto second = first + 1 == head.end() ? std::uint8_t{0} : *(first + 1);
  if (*first == '{' && (second == '{' || second == '%' || second == '#')) return Format::text;
  if (*first == '{' || *first == '[') return Format::json;
  return *first == '<' ? Format::xml : Format::text;
}

}  // namespace

std::string_view name(Format format) {
  switch (format) {
    case Format::empty:
      return "empty";
    case Format::pickle:
      return "pickle";
    case Format::zip:
      return "zip";
    case Format::tar:
      return "tar";
    case Format::gzip:
      return "gzip";
    case Format::zlib:
      return "zlib";
    case Format::bzip2:
      return "bzip2";
    case Format::xz:
      return "xz";
    case Format::lzma:
      return "lzma";
    case Format::zstd:
      return "zstd";
    case Format::lz4:
      return "lz4";
    case Format::joblib_old:
      return "joblib-old";
    case Format::seven_zip:
      return "seven-zip";
    case Format::rar:
      return "rar";
    case Format::npy:
      return "npy";
    case Format::safetensors:
      return "safetensors";
    case Format::onnx:
      return "onnx";
    case Format::gguf:
      return "gguf";
    case Format::ggml:
      return "ggml";
    case Format::hdf5:
      return "hdf5";
    case Format::tensorflow:
      return "tensorflow";
    case Format::tflite:
      return "tflite";
    case Format::executorch:
      return "executorch";
    case Format::tensorrt:
      return "tensorrt";
    case Format::catboost:
      return "catboost";
    case Format::sentencepiece:
      return "sentencepiece";
    case Format::proto_model:
      return "proto-model";
    case Format::small_model:
      return "small-model";
    case Format::torch7:
      return "torch7";
    case Format::llamafile:
      return "llamafile";
    case Format::elf:
      return "elf";
    case Format::windows_program:
      return "windows-program";
    case Format::mach_o:
      return "mach-o";
    case Format::script:
      return "script";
    case Format::json:
      return "json";
    case Format::xml:
      return "xml";
    case Format::text:
      return "text";
    case Format::raw_numbers:
      return "raw-numbers";
    case Format::passive:
      return "passive";
    case Format::byte_code:
      return "python-byte-code";
    case Format::web_program:
      return "webassembly";
    case Format::unknown:
      return "unknown";
  }
  return "unknown";
}

Format identify(Reader& data, Budget& budget, std::string_view file_name) {
  std::array<std::uint8_t, 512> buffer{};
  const auto got = data.read_at(0, buffer);
  if (!got) return Format::unknown;
  const ByteView head = ByteView(buffer).first(*got);
  if (head.empty()) return Format::empty;
  const std::string_view text = as_text(head);
  for (const auto& magic : magics)
    if (text.starts_with(magic.bytes)) return magic.format;
  if (text.size() >= 4 && text.starts_with("BZh") && text[3] >= '1' && text[3] <= '9') return Format::bzip2;
  if (is_lzma(head)) return Format::lzma;
  if (is_safetensors(data)) return Format::safetensors;
  if (text.size() >= 2 && head[0] == 0x80 && head[1] <= 5) return Format::pickle;
  if (is_torch7(data)) return Format::torch7;
  if (is_tar(data)) return Format::tar;
  if (hdf5_place(data)) return Format::hdf5;
  if (text.size() >= 8 && text.substr(4, 4) == "TFL3") return Format::tflite;
  if (text.size() >= 8 && text.substr(4, 4) == "ET12") return Format::executorch;
  if (is_windows_program(data, head)) return Format::windows_program;
  if (text.starts_with("\0asm"sv)) return Format::web_program;
  if (is_byte_code(head)) return Format::byte_code;
  if (!passive_kind(data, file_name).empty()) return Format::passive;
  if ((text.starts_with("\xff\xfe"sv) || text.starts_with("\xfe\xff"sv)) && !text.substr(2).starts_with("<"sv) &&
      !text.substr(2).starts_with("\0<"sv))
    return Format::text;
  if (is_zlib(data, head, budget)) return Format::zlib;
  if (tensorflow_kind(data) != TensorflowKind::none) return Format::tensorflow;
  if (is_sentencepiece(data)) return Format::sentencepiece;
  if (proto_model(data) != ProtoModel::none) return Format::proto_model;
  if (is_onnx(data)) return Format::onnx;
  if (is_pickle(data, budget)) return Format::pickle;
  if (small_model(data) != SmallModel::none) return Format::small_model;
  const auto kind = text_kind(head);
  return kind == Format::unknown && is_raw_numbers(data) ? Format::raw_numbers : kind;
}

Format format_of_name(std::string_view file_name) {
  static constexpr std::pair<std::string_view, Format> endings[] = {{".safetensors", Format::safetensors},
                                                                    {".onnx", Format::onnx},
                                                                    {".gguf", Format::gguf},
                                                                    {".npy", Format::npy},
                                                                    {".npz", Format::zip},
                                                                    {".keras", Format::zip},
                                                                    {".tflite", Format::tflite},
                                                                    {".h5", Format::hdf5},
                                                                    {".hdf5", Format::hdf5},
                                                                    {".zip", Format::zip}};
  for (const auto& [ending, format] : endings)
    if (file_name.ends_with(ending)) return format;
  return Format::unknown;
}

std::vector<Format> other_readings(Reader& data, Format found, std::string_view file_name, Budget& budget) {
  std::vector<Format> also;
  const auto add = [&](Format format, bool holds) {
    if (format != found && holds) also.push_back(format);
  };
  // These were asked for pickles before they were taken for what they are; what begins with PK refers to an object
  // outside at once, which plain unpicklers refuse and PyTorch's does not read.
  const bool asked = found == Format::pickle || found == Format::zip || found == Format::text ||
                     found == Format::json || found == Format::xml || found == Format::small_model ||
                     found == Format::raw_numbers || found == Format::unknown;
  add(Format::pickle,
      is_pickle_name(file_name) ? found != Format::empty && found != Format::zip : !asked && is_pickle(data, budget));
  add(Format::tar, is_tar(data));
  if (found != Format::hdf5) {
    const auto place = hdf5_place(data);
    // The first member of a tar file lies at 512.
    add(Format::hdf5, place && !(found == Format::tar && *place == 512));
  }
  const bool message = found == Format::tensorflow || found == Format::onnx || found == Format::proto_model ||
                       found == Format::sentencepiece;
  // The end of what is decompressed on the way is not worth another pass here.
  if (message || ((found == Format::small_model || found == Format::pickle) && data.jumps())) {
    add(Format::tensorflow, tensorflow_kind(data) != TensorflowKind::none);
    add(Format::onnx, is_onnx(data));
    add(Format::proto_model, proto_model(data) != ProtoModel::none);
  }
  return also;
}

bool is_pickle_name(std::string_view name) {
  return ends_with_one_of(name, {".pkl", ".pickle", ".joblib", ".dill", ".pck", ".pcl"});
}

bool is_binary_name(std::string_view name) {
  return ends_with_one_of(name, {".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt", ".pb", ".engine",
                                 ".plan", ".trt", ".rknn", ".pdmodel", ".msgpack", ".rds", ".t7", ".ptl", ".pte"});
}

bool is_model_name(std::string_view name) {
  return ends_with_one_of(name, {".bin",      ".safetensors", ".onnx",    ".gguf",   ".ggml",  ".h5",      ".hdf5",
                                 ".keras",    ".npy",         ".npz",     ".tflite", ".model", ".mar",     ".nemo",
                                 ".pdparams", ".params",      ".weights", ".cbm",    ".ubj",   ".mlmodel", ".skops"}) ||
         is_binary_name(name);
}

}  // namespace hauberk::scan
