#include <algorithm>

#include "base/json.h"
#include "scan/formats.h"
#include "scan/program_text.h"

namespace hauberk::scan {
namespace {

constexpr std::uint64_t header_limit = 100'000'000;  // of the reference reader
constexpr std::uint64_t header_read = 12u << 20;     // larger ones are not taken into memory
constexpr std::string_view safetensors_rule = "safetensors.malformed";

struct ElementType {
  std::string_view name;
  std::uint32_t bits;
};
constexpr ElementType element_types[] = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};

struct Span {
  std::uint64_t begin, end;
  std::string_view name;
};

class SafetensorsCheck {
 public:
  SafetensorsCheck(Inspection& inspection, std::uint64_t data_size) : inspection_(inspection), data_size_(data_size) {}

  void check(const json::Object& header) {
    for (const auto& [name, value] : header) {
      if (!inspection_.budget().spend_entries()) return (void)inspection_.out_of_budget();
      if (name == "__metadata__" ? !metadata(value) : !tensor(name, value)) return;
    }
    std::sort(spans_.begin(), spans_.end(),
              [](const Span& a, const Span& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::uint64_t at = 0;
    for (const auto& span : spans_) {
      if (span.begin != at)
        return bad(span.name,
                   span.begin > at ? "a hole stands before the tensor's data" : "the tensor's data overlaps another's");
      at = span.end;
    }
    if (at != data_size_) bad("", "the tensors do not end where the file does");
  }

 private:
  void bad(std::string_view name, std::string what) {
    inspection_.malformed(safetensors_rule, 0, std::move(what), printable(name));
  }

  bool metadata(const json::Value& value) {
    const auto* members = value.as_object();
    const bool texts = members && std::all_of(members->begin(), members->end(),
                                              [](const json::Member& m) { return m.second.is_string(); });
    if (!texts) return bad("__metadata__", "the metadata holds something else than text"), false;
    for (const auto& [key, text] : *members)
      if (const auto program = program_in(*text.as_string()))
        inspection_.find("safetensors.program-text", program->severity, 8,
                         "the metadata holds the text of a program that " + program->does, {},
                         "/__metadata__/" + printable(key, 60));
    return true;
  }

  bool tensor(std::string_view name, const json::Value& value) {
    const auto* dtype = value.find("dtype");
    const auto* shape = value.find("shape");
    const auto* offsets = value.find("data_offsets");
    if (!value.is_object() || value.as_object()->size() != 3 || !dtype || !dtype->is_string() || !shape ||
        !shape->is_array() || !offsets || !offsets->is_array())
      return bad(name, "a tensor is described by dtype, shape and data_offsets, and by nothing else"), false;
    const auto type = std::find_if(std::begin(element_types), std::end(element_types),
                                   [&](const ElementType& t) { return t.name == *dtype->as_string(); });
    if (type == std::end(element_types)) return bad(name, "an element type that does not exist"), false;
    std::uint64_t bits = type->bits;
    for (const auto& size : *shape->as_array()) {
      const auto* n = size.as_int();
      if (!n || *n < 0 || __builtin_mul_overflow(bits, static_cast<std::uint64_t>(*n), &bits))
        return bad(name, "the shape is no shape or overflows"), false;
    }
    const auto& pair = *offsets->as_array();
    if (pair.size() != 2 || !pair[0].as_int() || !pair[1].as_int() || *pair[0].as_int() < 0 ||
        *pair[1].as_int() < *pair[0].as_int())
      return bad(name, "the offsets are not a begin and an end"), false;
    const Span span{static_cast<std::uint64_t>(*pair[0].as_int()), static_cast<std::uint64_t>(*pair[1].as_int()), name};
    if (bits % 8 != 0 || bits / 8 != span.end - span.begin)
      return bad(name, "the offsets do not fit the shape and type"), false;
    if (span.end > data_size_) return bad(name, "the tensor passes the end of the file"), false;
    spans_.push_back(span);
    return true;
  }

  Inspection& inspection_;
  std::uint64_t data_size_;
  std::vector<Span> spans_;
};

}  // namespace

bool is_safetensors(Reader& data) {
  std::uint8_t head[9];
  const auto got = data.read_at(0, head);
  return got && *got == sizeof head && head[8] == '{' && load_le<std::uint64_t>(head) < (std::uint64_t{1} << 32);
}

void inspect_safetensors(Reader& data, Inspection& inspection) {
  const auto head = read_part(data, 0, 8, 8);
  if (!head) return inspection.failed(head.error(), safetensors_rule, 0);
  const auto length = load_le<std::uint64_t>(head->data());
  if (length == 0 || length > header_limit || length > data.size() - 8)
    return inspection.malformed(safetensors_rule, 0,
                                "the header is empty, or longer than the file or than any header may be");
  if (length > header_read)
    return inspection.inconclusive("scan.budget-exhausted", "the header is larger than the scan reads");
  const auto header = read_part(data, 8, length, header_read);
  if (!header) return inspection.failed(header.error(), safetensors_rule, 8);
  const auto value = json::parse(as_text(*header), {.bytes = header_read, .depth = 16});
  if (!value)
    return inspection.malformed(safetensors_rule, 8,
                                "the header is not strict JSON: " + printable(value.error().message));
  if (!value->is_object()) return inspection.malformed(safetensors_rule, 8, "the header is no object");
  SafetensorsCheck(inspection, data.size() - 8 - length).check(*value->as_object());
}

}  // namespace hauberk::scan
