// What PickleMachine's values stand for: the texts behind the places that it remembers.
#include <algorithm>

#include "scan/pickle_machine.h"
#include "scan/pickle_text.h"

namespace hauberk::scan {
namespace {

using Kind = PickleValue::Kind;

}  // namespace

std::optional<PickleMachine::Span> PickleMachine::content_of(PickleValue value) {
  if (value.kind() != Kind::text && value.kind() != Kind::bytes && value.kind() != Kind::byte_array)
    return std::nullopt;
  std::array<std::uint8_t, 9> head{};
  const auto near = cursor_.loaded(value.payload(), head.size());
  if (!near.empty())
    std::copy(near.begin(), near.end(), head.begin());
  else if (!data_.read_at(value.payload(), head))
    return std::nullopt;
  unsigned length_bytes = 0;
  switch (head[0]) {
    case 0x8c:
    case 'U':
    case 'C':
      length_bytes = 1;
      break;
    case 'X':
    case 'T':
    case 'B':
      length_bytes = 4;
      break;
    case 0x8d:
    case 0x8e:
    case 0x96:
      length_bytes = 8;
      break;
    default:
      return std::nullopt;  // a line: its end is not known
  }
  std::uint64_t length = 0;
  for (unsigned i = 0; i < length_bytes; ++i) length |= std::uint64_t{head[i + 1]} << 8 * i;
  return Span{value.payload() + 1 + length_bytes, length};
}

std::optional<std::string> PickleMachine::text_of(PickleValue value, std::size_t limit) {
  if (value.kind() != Kind::text && value.kind() != Kind::bytes && value.kind() != Kind::byte_array)
    return std::nullopt;
  if (const auto span = content_of(value)) {
    if (span->length > limit) return std::nullopt;
    const auto length = static_cast<std::size_t>(span->length);
    if (const auto near = cursor_.loaded(span->offset, length); near.size() == length)
      return std::string(as_text(near));
    std::string text(length, '\0');
    const auto got = data_.read_at(span->offset, MutableBytes(reinterpret_cast<std::uint8_t*>(text.data()), length));
    return got && *got == length ? std::optional(std::move(text)) : std::nullopt;
  }
  std::string line(limit * 6 + 4, '\0');  // an escape has at most ten characters, mostly four
  const auto got =
      data_.read_at(value.payload(), MutableBytes(reinterpret_cast<std::uint8_t*>(line.data()), line.size()));
  if (!got || *got == 0) return std::nullopt;
  line.resize(*got);
  const auto newline = line.find('\n');
  if (newline == std::string::npos) return std::nullopt;
  const std::string_view operand = std::string_view(line).substr(1, newline - 1);
  auto text = line[0] == 'S'   ? decode_string_escapes(operand)
              : line[0] == 'V' ? decode_unicode_escapes(operand)
                               : std::string(operand);
  return text.size() <= limit ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace hauberk::scan
