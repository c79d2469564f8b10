#include "scan/protobuf.h"

#include <algorithm>
#include <vector>

namespace hauberk::scan {
namespace {

constexpr std::uint64_t group_begins = 3, group_ends = 4;

}  // namespace

bool WireMessage::number(std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at_.position() >= end_ || !at_.need(1)) return false;
    const std::uint8_t b = *at_.data();
    at_.advance(1);
    value |= std::uint64_t{b & 0x7fu} << shift;
    if ((b & 0x80) == 0) return true;
  }
  return false;
}

bool WireMessage::value(std::uint64_t kind, WireField& field) {
  std::uint64_t length = 0;
  switch (kind) {
    case WireField::varint:
      return number(field.value);
    case WireField::fixed64:
      length = 8;
      break;
    case WireField::fixed32:
      length = 4;
      break;
    case WireField::bytes:
      if (!number(length)) return false;
      break;
    default:
      return false;
  }
  if (length > end_ - at_.position()) return false;
  field.begin = at_.position();
  field.end = field.begin + length;
  return true;
}

// Groups are long out of use, and every parser still skips those that it does not know.
bool WireMessage::skip_group(std::uint32_t number_of_group) {
  std::vector<std::uint32_t> open{number_of_group};
  while (!open.empty()) {
    std::uint64_t tag = 0;
    if (open.size() > 100 || at_.position() >= end_ || !number(tag) || tag >> 3 == 0 || tag >> 32 != 0) return false;
    const auto kind = tag & 7;
    const auto name = static_cast<std::uint32_t>(tag >> 3);
    WireField field;
    if (kind == group_begins) {
      open.push_back(name);
    } else if (kind == group_ends) {
      if (open.back() != name) return false;
      open.pop_back();
    } else if (!value(kind, field) || (kind != WireField::varint && !at_.skip(field.end - field.begin))) {
      return false;
    }
  }
  return true;
}

bool WireMessage::next(WireField& field) {
  if (broken_) return false;
  if (field_end_ > at_.position() && !at_.skip(field_end_ - at_.position())) return fail();
  std::uint64_t tag = 0;
  for (;;) {
    if (at_.position() == end_) return false;
    if (at_.position() > end_ || !number(tag) || tag >> 3 == 0 || tag >> 32 != 0) return fail();
    if ((tag & 7) != group_begins) break;
    if (!skip_group(static_cast<std::uint32_t>(tag >> 3))) return fail();
  }
  field.number = static_cast<std::uint32_t>(tag >> 3);
  field.kind = static_cast<WireField::Kind>(tag & 7);
  field_end_ = 0;
  if (!value(tag & 7, field)) return fail();
  if (field.kind != WireField::varint) field_end_ = field.end;
  return true;
}

std::string wire_text(Cursor& at, const WireField& field, std::size_t limit) {
  auto left = static_cast<std::size_t>(std::min<std::uint64_t>(field.end - field.begin, limit));
  if (at.position() != field.begin) return {};
  std::string text;
  while (left != 0) {
    // In steps that every cursor's window holds.
    const auto step = std::min<std::size_t>(left, 1024);
    if (!at.need(step)) return {};
    text.append(reinterpret_cast<const char*>(at.data()), step);
    at.advance(step);
    left -= step;
  }
  return text;
}

}  // namespace hauberk::scan
