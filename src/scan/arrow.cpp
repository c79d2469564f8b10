#include "scan/arrow.h"

#include <fmt/format.h>

#include <vector>

#include "scan/flatbuffer.h"
#include "scan/pickle.h"

namespace hauberk::scan {
namespace {

constexpr std::string_view rule = "arrow.malformed";
constexpr std::string_view file_magic = "ARROW1";
constexpr std::uint64_t most_metadata = 16u << 20, most_footer = 64u << 20;
constexpr std::uint32_t marker = 0xFFFFFFFF;  // before a message, since Arrow 0.15
constexpr unsigned schema_message = 1;

// One schema within one flatbuffer.
class Schema {
 public:
  // `start`: where the flatbuffer lies, for findings.
  Schema(Reader& data, Flatbuffer& buffer, std::uint64_t start, Inspection& inspection)
      : data_(data), buffer_(buffer), start_(start), inspection_(inspection) {}

  void inspect(const FlatTable& schema) {
    metadata(schema, 2);
    std::vector<FlatTable> open;
    const auto take = [&](const FlatTable& of, unsigned field_number) {
      const auto fields = buffer_.vector(of, field_number, 4);
      for (std::uint32_t i = 0; i < fields.count && !buffer_.broken(); ++i) {
        if (!inspection_.budget().spend_entries()) return;
        open.push_back(buffer_.element(fields, i));
      }
    };
    take(schema, 1);
    while (!open.empty() && !buffer_.broken() && !inspection_.out_of_budget()) {
      const auto field = open.back();
      open.pop_back();
      metadata(field, 6);
      take(field, 5);
    }
  }

 private:
  void metadata(const FlatTable& of, unsigned field_number) {
    const auto pairs = buffer_.vector(of, field_number, 4);
    std::string name;
    FlatVector value;
    for (std::uint32_t i = 0; i < pairs.count && !buffer_.broken(); ++i) {
      if (!inspection_.budget().spend_entries()) return;
      const auto pair = buffer_.element(pairs, i);
      const auto key = buffer_.text(pair, 0);
      if (key == "ARROW:extension:name") name = buffer_.text(pair, 1);
      if (key == "ARROW:extension:metadata") value = buffer_.vector(pair, 1, 1);
    }
    if (buffer_.broken()) return;
    extension(name, value);
  }

  void extension(const std::string& name, const FlatVector& value) {
    const bool unpickled = name == "arrow.py_extension_type";
    auto content = RangeReader(data_, value.at, value.count);
    if (unpickled)
      inspection_.find("arrow.python-type", Severity::medium, start_ + value.at,
                       "a column has a type of Python's, which pyarrow before 14.0.1 unpickles as the table is opened "
                       "(CVE-2023-47248)");
    if (value.count == 0 || (!unpickled && !is_pickle(content, inspection_.budget()))) return;
    if (value.count > most_metadata)
      return inspection_.inconclusive("scan.not-scanned", "the description of a type is too large to be looked at");
    if (!unpickled)
      inspection_.find("arrow.pickled-type", Severity::low, start_ + value.at,
                       fmt::format("the type \"{}\" of a column is described by a pickle", printable(name, 60)));
    Inspection inside = inspection_.child("extension-type");
    inspect_pickle_file(content, inside);
  }

  Reader& data_;
  Flatbuffer& buffer_;
  std::uint64_t start_;
  Inspection& inspection_;
};

// Where the flatbuffer of the message at `offset` lies.
struct Message {
  std::uint64_t at = 0, size = 0;
};
std::optional<Message> message_at(Reader& data, std::uint64_t offset) {
  Flatbuffer bytes(data);
  auto size = bytes.at<std::uint32_t>(offset);
  offset += 4;
  if (size == marker) {
    size = bytes.at<std::uint32_t>(offset);
    offset += 4;
  }
  if (bytes.broken() || size < 8 || size > data.size() - offset) return std::nullopt;
  return Message{offset, size};
}

// The schema that a message holds, if that is what it holds.
std::optional<FlatTable> schema_of(Flatbuffer& buffer) {
  const auto message = buffer.root();
  if (buffer.number<std::uint8_t>(message, 1, 0) != schema_message) return std::nullopt;
  const auto schema = buffer.child(message, 2);
  return buffer.broken() ? std::nullopt : schema;
}

void inspect_message(Reader& data, std::uint64_t offset, Inspection& inspection) {
  const auto place = message_at(data, offset);
  if (!place) return inspection.malformed(rule, offset, "the message with the schema is cut off");
  RangeReader part(data, place->at, place->size);
  Flatbuffer buffer(part);
  const auto schema = schema_of(buffer);
  if (!schema) return inspection.malformed(rule, offset, "the first message holds no schema");
  Schema(part, buffer, place->at, inspection).inspect(*schema);
  if (buffer.broken()) inspection.malformed(rule, offset, "the schema refers to what is not there");
}

void inspect_footer(Reader& data, Inspection& inspection) {
  constexpr std::uint64_t end = 4 + file_magic.size();  // its size and the magic
  Flatbuffer bytes(data);
  const auto size = data.size() < end ? 0 : bytes.at<std::uint32_t>(data.size() - end);
  const auto magic = read_part(data, data.size() - std::min<std::uint64_t>(data.size(), 6), 6, 6);
  if (!magic || as_text(*magic) != file_magic || size < 8 || size > data.size() - end)
    return inspection.malformed(rule, data.size(), "the file has no footer: it was cut off");
  const auto start = data.size() - end - size;
  RangeReader footer(data, start, size);
  Flatbuffer buffer(footer);
  const auto schema = buffer.child(buffer.root(), 1);
  if (schema) Schema(footer, buffer, start, inspection).inspect(*schema);
  if (!schema || buffer.broken()) inspection.malformed(rule, start, "the footer refers to what is not there");
}

// As Arrow decodes it: up to the first character that is none of base64's.
Bytes decoded(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Bytes out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == std::string_view::npos) break;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++count % 4 == 1) continue;
    out.push_back(static_cast<std::uint8_t>(bits >> (count % 4 == 2 ? 4 : count % 4 == 3 ? 2 : 0)));
  }
  return out;
}

}  // namespace

bool is_arrow_stream(Reader& data) {
  Flatbuffer bytes(data);
  if (data.size() < 16 || bytes.at<std::uint32_t>(0) != marker) return false;
  const auto place = message_at(data, 0);
  if (!place || place->size % 8 != 0) return false;
  RangeReader part(data, place->at, place->size);
  Flatbuffer buffer(part);
  return schema_of(buffer).has_value();
}

void inspect_arrow(Reader& data, Inspection& inspection) {
  const auto magic = read_part(data, 0, std::min<std::uint64_t>(data.size(), file_magic.size()), file_magic.size());
  if (!magic) return inspection.failed(magic.error(), rule, 0);
  if (as_text(*magic) != file_magic) return inspect_message(data, 0, inspection);
  inspect_message(data, 8, inspection);  // one reader takes this one, another that of the footer
  Inspection footer = inspection.child("footer");
  inspect_footer(data, footer);
}

void inspect_parquet(Reader& data, Inspection& inspection) {
  constexpr std::string_view key = "ARROW:schema";
  Flatbuffer bytes(data);
  const std::uint64_t size = data.size() < 12 ? 0 : bytes.at<std::uint32_t>(data.size() - 8);
  if (size == 0 || size > data.size() - 12)
    return inspection.malformed("parquet.malformed", data.size(), "the footer is not there: the file was cut off");
  const auto start = data.size() - 8 - size;
  const auto footer = read_part(data, start, size, most_footer);
  if (!footer) return inspection.failed(footer.error(), "parquet.malformed", start);
  // Among the key-value pairs of the metadata: a text with its length, the header of the next field, the value alike.
  const auto text = as_text(*footer);
  for (auto at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    auto value = at + key.size();
    if (value >= text.size() || text[value] != 0x18) continue;
    if (!inspection.budget().spend_entries() || inspection.out_of_budget()) return;
    do ++value;
    while (value < text.size() && (text[value] & 0x80) != 0);
    const auto schema = decoded(text.substr(std::min(value + 1, text.size())));
    MemoryReader reader(schema);
    Inspection inside = inspection.child("ARROW:schema");
    inspect_message(reader, 0, inside);
  }
}

}  // namespace hauberk::scan
