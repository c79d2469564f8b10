// Sources: the formats' own specifications (PNG, JFIF, GIF, RIFF, ISO 14496-12, PDF, OpenType, Apache Parquet and
// Arrow, SQLite, fastText's Model::saveModel, TFRecord).
#include "scan/passive_files.h"

#include <array>
#include <charconv>
#include <cstring>

#include "scan/arrow.h"

namespace hauberk::scan {
namespace {

using namespace std::string_view_literals;

struct PassiveMagic {
  std::string_view bytes;
  std::string_view kind;
  std::size_t offset = 0;
};

constexpr PassiveMagic strong[] = {
    {"\x89PNG\r\n\x1a\n"sv, "png"},
    {"\xff\xd8\xff"sv, "jpeg"},
    {"GIF87a"sv, "gif"},
    {"GIF89a"sv, "gif"},
    {"WEBPVP8"sv, "webp", 8},
    {"WAVEfmt "sv, "wave", 8},
    {"AVI LIST"sv, "avi", 8},
    {"II*\0"sv, "tiff"},
    {"MM\0*"sv, "tiff"},
    {"%PDF-"sv, "pdf"},
    {"fLaC\0"sv, "flac"},
    {"ID3"sv, "mp3"},
    {"OggS\0"sv, "ogg"},
    {"ftyp"sv, "mp4", 4},
    {"\x1a\x45\xdf\xa3"sv, "matroska"},
    {"OTTO\0"sv, "font"},
    {"wOFF"sv, "font"},
    {"wOF2"sv, "font"},
    {"ARROW1\0\0"sv, "arrow"},
    {"FEA1"sv, "feather"},
    {"SQLite format 3\0"sv, "sqlite"},
    {"\0\0\0\1Bud1"sv, "ds-store"},
    {"\xba\x16\x4f\x2f\x0c\0\0\0"sv, "fasttext"},
    {"\x0c\xdb\x3a\x2a"sv, "ocdbt"},
    {"\x0c\xdb\x20\xde"sv, "ocdbt"},
    {"\x0c\xdb\x12\x34"sv, "ocdbt"},
    {"MATLAB 5.0 MAT-fi"sv, "matlab"},
    {"______LightGBM_Binary_File_Token"sv, "lightgbm-data"},
};

// Few bytes, and usual in other data: believed under their own name only.
struct WeakMagic {
  std::string_view bytes, ending, kind;
};
constexpr WeakMagic weak[] = {
    {"\0\0\1\0"sv, ".ico", "icon"}, {"BM"sv, ".bmp", "bmp"},       {"\0\1\0\0"sv, ".ttf", "font"},
    {"\xff\xfb"sv, ".mp3", "mp3"},  {"\xff\xf3"sv, ".mp3", "mp3"},
};

bool reads(Reader& data, std::uint64_t offset, std::string_view expected) {
  std::array<std::uint8_t, 16> bytes{};
  const auto got = data.read_at(offset, MutableBytes(bytes).first(expected.size()));
  return got && *got == expected.size() && std::memcmp(bytes.data(), expected.data(), expected.size()) == 0;
}

// Two ends that say the same.
bool is_parquet(Reader& data, std::string_view head) {
  return data.size() >= 12 && head.starts_with("PAR1") && reads(data, data.size() - 4, "PAR1");
}

// TensorBoard's records: a length, its checksum, then a message that begins with a time.
bool is_event_log(std::string_view head, std::string_view name) {
  return name.find("tfevents") != std::string_view::npos && head.size() >= 21 && head[12] == 0x09 &&
         head.substr(3, 5) == "\0\0\0\0\0"sv;
}

// Weights of a CoreML package: a count, version 2, and a mark where the first of them is described.
bool is_coreml_weights(Reader& data, std::string_view head) {
  return head.size() >= 8 && head.substr(4, 4) == "\2\0\0\0"sv && reads(data, 64, "\xef\xbe\xad\xde"sv);
}

// word2vec's binary form: a line with the number of words and the length of each vector, then word, blank, floats.
bool is_word_vectors(Reader& data, std::string_view head) {
  const auto line = head.substr(0, head.find('\n'));
  std::uint64_t words = 0, length = 0;
  const auto first = std::from_chars(line.data(), line.data() + line.size(), words);
  if (line.size() == head.size() || first.ec != std::errc{} || first.ptr == line.data() + line.size() ||
      *first.ptr != ' ')
    return false;
  const auto second = std::from_chars(first.ptr + 1, line.data() + line.size(), length);
  if (second.ec != std::errc{} || second.ptr != line.data() + line.size()) return false;
  if (words == 0 || words > 100'000'000 || length == 0 || length > 100'000) return false;
  const auto body = data.size() - line.size() - 1;
  return body >= words * (4 * length + 2) && body <= words * (4 * length + 400);
}

}  // namespace

bool is_numbers_of_models(std::string_view kind) {
  return kind == "word-vectors" || kind == "coreml-weights" || kind == "fasttext" || kind == "lightgbm-data" ||
         kind == "ocdbt";
}

std::string_view passive_kind(Reader& data, std::string_view file_name) {
  std::array<std::uint8_t, 32> buffer{};
  const auto got = data.read_at(0, buffer);
  if (!got) return {};
  const std::string_view head = as_text(ByteView(buffer).first(*got));
  for (const auto& magic : strong)
    if (head.size() >= magic.offset && head.substr(magic.offset).starts_with(magic.bytes)) return magic.kind;
  for (const auto& magic : weak)
    if (head.starts_with(magic.bytes) && file_name.ends_with(magic.ending)) return magic.kind;
  if (is_parquet(data, head)) return "parquet";
  if (is_arrow_stream(data)) return "arrow";
  if (is_event_log(head, file_name)) return "tensorboard";
  if (is_coreml_weights(data, head)) return "coreml-weights";
  if (is_word_vectors(data, head)) return "word-vectors";
  return {};
}

}  // namespace hauberk::scan
